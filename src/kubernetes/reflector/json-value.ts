import { MalformedError } from './malformed-error.js';

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const maxDepth = 256;

/** JSON's white space. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * Finds where a JSON value ends, over any number of chunks. It heeds strings and counts brackets, no more:
 * whether what lies between is JSON is for JSON.parse to say.
 */
export class JsonValueEnd {
  #isPlain = false;
  #isInString = false;
  #isEscaped = false;
  #depth = 0;

  /** Begins with a value whose first byte is `first`; `find` is then given it, too. */
  begin(first: number): void {
    // Numbers and literals end where anything else begins.
    this.#isPlain = first !== quote && first !== openBrace && first !== openBracket;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#depth = 0;
  }

  /**
   * Where behind `at` the value ends, exclusively; -1 where the chunk ends before it.
   *
   * @throws MalformedError where brackets nest too deep.
   */
  find(chunk: Buffer, at: number): number {
    return this.#isPlain ? findPlainEnd(chunk, at) : this.#findNestedEnd(chunk, at);
  }

  #findNestedEnd(chunk: Buffer, from: number): number {
    // In local variables, since this loop sees every byte.
    let isInString = this.#isInString;
    let isEscaped = this.#isEscaped;
    let depth = this.#depth;
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) {
          isInString = false;
          if (depth === 0) return at + 1;
        }
      } else if (byte === quote) isInString = true;
      else if (byte === openBrace || byte === openBracket) {
        depth += 1;
        if (depth > maxDepth) throw new MalformedError(`nested deeper than ${maxDepth} levels`);
      } else if (byte === closeBrace || byte === closeBracket) {
        depth -= 1;
        if (depth === 0) return at + 1;
      }
    }
    this.#isInString = isInString;
    this.#isEscaped = isEscaped;
    this.#depth = depth;
    return -1;
  }
}

function findPlainEnd(chunk: Buffer, from: number): number {
  for (let at = from; at < chunk.length; at += 1) {
    const byte = chunk[at];
    const ends =
      isSpace(byte) || byte === comma || byte === colon || byte === closeBracket || byte === closeBrace;
    if (ends) return at;
  }
  return -1;
}
