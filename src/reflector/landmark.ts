import { stringMember } from './json-member.js';

/**
 * The first of all objects, by which a server's history is known again: one that was wiped and filled anew has
 * objects of the same names, but not of the same uids.
 */
export class Landmark {
  #first: { readonly name: string; readonly uid: string | undefined } | undefined;

  /** Begins a list. */
  clear(): void {
    this.#first = undefined;
  }

  /** An object is there. */
  see(object: unknown): void {
    const name = stringMember(object, 'metadata', 'name');
    if (name === undefined || (this.#first !== undefined && name > this.#first.name)) return;
    this.#first = { name, uid: stringMember(object, 'metadata', 'uid') };
  }

  /** An object is there no more; which is the first then is not known. */
  forget(name: string): void {
    if (name === this.#first?.name) this.#first = undefined;
  }

  /** Whether that is the first object, or none where none is known. */
  is(object: unknown): boolean {
    return (
      stringMember(object, 'metadata', 'name') === this.#first?.name &&
      stringMember(object, 'metadata', 'uid') === this.#first?.uid
    );
  }
}
