import { oneLine } from '../../documents/one-line.js';
import { readers, type Fields } from '../json.js';
import { ReviewError } from '../kubernetes-errors.js';

const { fieldsOf, stringOf, stringsOf } = readers(malformed);

/** The fault of an answer's content. */
export function malformed(problem: string): ReviewError {
  return new ReviewError('malformed', `the reviewer's answer: ${problem}`);
}

/**
 * Fields of a reviewer's answer. Missing and null fields have Go's zero value, and invalid Unicode becomes U+FFFD, as
 * there. Unknown fields are refused: they may restrict the rest.
 */
export class ReviewFields {
  readonly #fields: Fields;

  /**
   * `place` is where it stands (`status.user`), for messages.
   *
   * @throws ReviewError, as all functions do, for what is of another type than expected.
   */
  constructor(
    value: unknown,
    readonly place: string,
    known: readonly string[],
  ) {
    this.#fields = fieldsOf(value, place);
    const unknown = Object.keys(this.#fields).find((name) => !known.includes(name));
    if (unknown === undefined) return;
    throw malformed(`${place} has the unknown field ${oneLine(JSON.stringify(unknown), 64)}`);
  }

  boolean(name: string): boolean {
    const value = this.#fields[name] ?? false;
    if (typeof value !== 'boolean') throw malformed(`${this.place}.${name} is no boolean`);
    return value;
  }

  string(name: string): string {
    return stringOf(this.#fields[name] ?? '', `${this.place}.${name}`).toWellFormed();
  }

  strings(name: string): readonly string[] {
    return wellFormed(stringsOf(this.#fields[name], `${this.place}.${name}`));
  }

  /** Lists of strings by their keys. */
  stringsByKey(name: string): readonly (readonly [key: string, values: readonly string[]])[] {
    const place = `${this.place}.${name}`;
    return Object.entries(fieldsOf(this.#fields[name] ?? {}, place)).map(([key, values]) => [
      key.toWellFormed(),
      wellFormed(stringsOf(values, `${place} of a key`)),
    ]);
  }

  fields(name: string, known: readonly string[]): ReviewFields {
    return new ReviewFields(this.#fields[name] ?? {}, `${this.place}.${name}`, known);
  }
}

function wellFormed(texts: readonly string[]): readonly string[] {
  return texts.map((text) => text.toWellFormed());
}
