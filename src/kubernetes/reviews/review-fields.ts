import { oneLine } from '../../documents/one-line.js';
import { ReviewError } from '../kubernetes-errors.js';

type Members = Readonly<Record<string, unknown>>;

/**
 * Fields of a reviewer's answer. Missing and null fields have Go's zero value. Unknown fields are refused: they may
 * restrict the rest.
 */
export class ReviewFields {
  readonly #members: Members;

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
    this.#members = membersOf(value, place);
    const unknown = Object.keys(this.#members).find((name) => !known.includes(name));
    if (unknown !== undefined) throw malformed(place, `has the unknown field ${quoted(unknown)}`);
  }

  boolean(name: string): boolean {
    const value = this.#members[name] ?? false;
    if (typeof value !== 'boolean') throw malformed(`${this.place}.${name}`, 'is no boolean');
    return value;
  }

  string(name: string): string {
    return stringOf(this.#members[name] ?? '', `${this.place}.${name}`);
  }

  strings(name: string): readonly string[] {
    return stringsOf(this.#members[name] ?? [], `${this.place}.${name}`);
  }

  /** Lists of strings by their keys. */
  stringsByKey(name: string): readonly (readonly [key: string, values: readonly string[]])[] {
    const place = `${this.place}.${name}`;
    return Object.entries(membersOf(this.#members[name] ?? {}, place)).map(([key, values]) => [
      key.toWellFormed(),
      stringsOf(values ?? [], `${place} of a key`),
    ]);
  }

  fields(name: string, known: readonly string[]): ReviewFields {
    return new ReviewFields(this.#members[name] ?? {}, `${this.place}.${name}`, known);
  }
}

function membersOf(value: unknown, place: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(place, 'is no object');
  }
  return value as Members;
}

function stringsOf(value: unknown, place: string): readonly string[] {
  if (!Array.isArray(value)) throw malformed(place, 'is no list');
  return value.map((item: unknown) => stringOf(item, place));
}

/** Invalid Unicode becomes U+FFFD, as in Go. */
function stringOf(value: unknown, place: string): string {
  if (typeof value !== 'string') throw malformed(place, 'holds what is no string');
  return value.toWellFormed();
}

function malformed(place: string, what: string): ReviewError {
  return new ReviewError('malformed', `the reviewer's answer: ${place} ${what}`, {
    summary: "the reviewer's answer is malformed",
  });
}

function quoted(name: string): string {
  return oneLine(JSON.stringify(name), 64);
}
