import { isUtf8 } from 'node:buffer';
import { parseJson } from '../json.js';
import { MalformedError } from '../kubernetes-errors.js';
import { maxObjectBytes, PiecedText } from './json-lines.js';

const maxRestBytes = 1024 * 1024;
/** Of an item. */
const maxDepth = 256;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Splits a list, an object whose member `items` is an array, into its items while it arrives, so that it never
 * has to be parsed at once: write a chunk, take items until there are no more, write the next. It heeds strings and
 * counts brackets, no more: whether all is JSON shows when an item, and at last the rest, is parsed.
 */
export class JsonItems {
  readonly #item: PiecedText;
  /** What stands outside the array, its bytes as latin1: in front of the object's latest key, and from there on. */
  #rest = '';
  #latest = '';
  #chunk: Buffer = Buffer.alloc(0);
  /** Where the chunk's unread part begins: all before is in an item or in the rest. */
  #at = 0;
  #isInString = false;
  #isEscaped = false;
  #depth = 0;
  /** Whether the array has begun; `next`: its key was the latest. */
  #array: 'to come' | 'next' | 'empty' | 'begun' | 'over' = 'to come';

  /** @param maxBytes of one item. Default 16 MiB. @param items the member's name. */
  constructor(
    maxBytes = maxObjectBytes,
    private readonly items = 'items',
  ) {
    this.#item = new PiecedText('an item', maxBytes);
  }

  write(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The next item. Undefined where the chunk holds no more.
   *
   * @throws MalformedError for what is no such object, and for what is too large or nested too deep.
   */
  next(): unknown {
    const chunk = this.#chunk;
    let item: unknown;
    // In local variables, since this loop sees every byte.
    const { length } = chunk;
    let isInString = this.#isInString;
    let isEscaped = this.#isEscaped;
    let depth = this.#depth;
    for (let at = this.#at; at < length; at += 1) {
      const byte = chunk[at];
      if (isInString || byte === quote) {
        if (!isInString && depth === 1) this.#beginKey(at);
        if (!isInString || isEscaped) at += 1;
        while (at < length && chunk[at] !== quote) at += chunk[at] === backslash ? 2 : 1;
        isInString = at >= length;
        isEscaped = at > length;
      } else if (byte === openBrace || byte === openBracket) {
        if (depth === 1 && byte === openBracket && this.#array === 'next') {
          this.#keep(at + 1);
          this.#array = 'empty';
        }
        depth += 1;
        if (depth > maxDepth + 2) throw new MalformedError(`nested deeper than ${maxDepth} levels`);
      } else if (byte === closeBrace || byte === closeBracket) {
        depth -= 1;
        if (depth === 1 && this.#isInArray) {
          item = this.#take(at, this.#array === 'empty');
          this.#keep(at + 1);
          this.#array = 'over';
          if (item !== undefined) break;
        }
      } else if (byte === comma && depth === 2 && this.#isInArray) {
        item = this.#take(at);
        this.#at += 1;
        this.#array = 'begun';
        break;
      } else if (byte === colon && depth === 1) this.#readKey(at);
    }
    this.#isInString = isInString;
    this.#isEscaped = isEscaped;
    this.#depth = depth;
    if (item !== undefined) return item;
    if (!this.#isInArray) this.#keep(chunk.length);
    else if (this.#at < chunk.length) this.#item.append(chunk.subarray(this.#at));
    this.#at = chunk.length;
    return undefined;
  }

  /**
   * The object's other members; `items` stands for an array by an empty one.
   *
   * @throws MalformedError where the bytes ended before the object did, or where it is no JSON.
   */
  end(): ReadonlyMap<string, unknown> {
    const text = this.#rest + this.#latest;
    if (this.#depth > 0 || text === '') throw new MalformedError('ends in the middle of the list');
    const bytes = Buffer.from(text, 'latin1');
    if (!isUtf8(bytes)) throw new MalformedError('what is not items is not UTF-8');
    const rest = parseJson(bytes.toString());
    if (typeof rest !== 'object' || rest === null || Array.isArray(rest))
      throw new MalformedError('not JSON');
    return new Map(Object.entries(rest));
  }

  get #isInArray(): boolean {
    return this.#array === 'empty' || this.#array === 'begun';
  }

  /** An item whose bytes end before `end`; undefined for what is blank and may be. */
  #take(end: number, mayBeBlank = false): unknown {
    const text = this.#item.finish(this.#chunk.subarray(this.#at, end));
    this.#at = end;
    return mayBeBlank && /^[ \t\r\n]*$/.test(text) ? undefined : parseJson(text);
  }

  /** What stands before `end` belongs to the rest. */
  #keep(end: number): void {
    this.#latest += this.#chunk.toString('latin1', this.#at, end);
    this.#at = end;
    if (this.#rest.length + this.#latest.length <= maxRestBytes) return;
    throw new MalformedError(`what is not items is larger than ${maxRestBytes} bytes`);
  }

  /** A key, or a text behind one. What stands in front is never read again: a slice of it would copy all for each key. */
  #beginKey(at: number): void {
    this.#keep(at);
    this.#rest += this.#latest;
    this.#latest = '';
  }

  /** The key before the colon at `end`. */
  #readKey(end: number): void {
    this.#keep(end);
    if (parseJson(this.#latest) === this.items) {
      // Of members of one name the last would count, but the first has been given out.
      if (this.#array !== 'to come') throw new MalformedError(`has ${this.items} twice`);
      this.#array = 'next';
    } else if (this.#array === 'next') this.#array = 'over';
  }
}
