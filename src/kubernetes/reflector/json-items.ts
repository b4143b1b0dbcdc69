import { isSpace, JsonValueEnd } from './json-value.js';
import { MalformedError, parseJson } from './malformed-error.js';
import { PiecedText } from './pieced-text.js';

const maxItemBytes = 8 * 1024 * 1024;
const maxRestBytes = 1024 * 1024;

/** What may come next, outside of values. */
type Place =
  | 'start'
  | 'first key'
  | 'key'
  | 'colon'
  | 'member'
  | 'after member'
  | 'first item'
  | 'item'
  | 'after item'
  | 'end';

/**
 * Splits a list, an object whose member `items` is an array, into its items while it arrives, so that it never
 * has to be parsed in one go: write a chunk, take items until there are no more, write the next. Each is checked
 * as JSON only by whoever parses it.
 */
export class JsonItems {
  readonly #rest = new Map<string, unknown>();
  readonly #valueEnd = new JsonValueEnd();
  readonly #item: PiecedText;
  readonly #member = new PiecedText('what is not items', maxRestBytes);
  #restLength = 0;
  #key = '';
  #place: Place = 'start';
  #isInValue = false;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param maxBytes of one item. Default 8 MiB. */
  constructor(maxBytes = maxItemBytes) {
    this.#item = new PiecedText('an item', maxBytes);
  }

  write(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The next item's JSON. Undefined where the chunk holds no more.
   *
   * @throws MalformedError for what is no such object, and for what is too large or nested too deep.
   */
  next(): string | undefined {
    for (;;) {
      if (!this.#isInValue && !this.#findValue()) return undefined;
      const isItem = this.#place === 'item';
      const text = this.#readValue(isItem ? this.#item : this.#member);
      if (text === undefined) return undefined;
      if (isItem) {
        this.#place = 'after item';
        return text;
      }
      this.#keep(text);
    }
  }

  /**
   * The object's other members; `items` stands for an array by an empty one.
   *
   * @throws MalformedError where the bytes ended before the object did.
   */
  end(): ReadonlyMap<string, unknown> {
    if (this.#place !== 'end') throw new MalformedError('ends in the middle of the list');
    return this.#rest;
  }

  /** Walks over punctuation; whether a value begins before the chunk ends. */
  #findValue(): boolean {
    for (; this.#at < this.#chunk.length; this.#at += 1) {
      const byte = this.#chunk[this.#at];
      if (byte === undefined || isSpace(byte)) continue;
      const next = this.#placeAfter(String.fromCharCode(byte));
      if (next === 'value') {
        this.#valueEnd.begin(byte);
        this.#isInValue = true;
        return true;
      }
      this.#place = next;
    }
    return false;
  }

  #placeAfter(character: string): Place | 'value' {
    switch (this.#place) {
      case 'start':
        if (character === '{') return 'first key';
        break;
      case 'first key':
        if (character === '}') return 'end';
        this.#place = 'key';
        return this.#placeAfter(character);
      case 'key':
        if (character === '"') return 'value';
        break;
      case 'colon':
        if (character === ':') return 'member';
        break;
      case 'member':
        if (this.#key === 'items' && character === '[') return this.#beginItems();
        if (!',:]}'.includes(character)) return 'value';
        break;
      case 'after member':
        if (character === ',') return 'key';
        if (character === '}') return 'end';
        break;
      case 'first item':
        if (character === ']') return 'after member';
        this.#place = 'item';
        return this.#placeAfter(character);
      case 'item':
        if (!',:]}'.includes(character)) return 'value';
        break;
      case 'after item':
        if (character === ',') return 'item';
        if (character === ']') return 'after member';
        break;
      case 'end':
    }
    throw new MalformedError('not JSON');
  }

  #beginItems(): Place {
    // Of members of one name the last would count, but the first has been given out.
    if (this.#rest.has('items')) throw new MalformedError('has items twice');
    this.#rest.set('items', []);
    return 'first item';
  }

  /** Undefined where the value goes on behind the chunk. */
  #readValue(text: PiecedText): string | undefined {
    const end = this.#valueEnd.find(this.#chunk, this.#at);
    if (end === -1) {
      if (this.#at < this.#chunk.length) text.append(this.#chunk.subarray(this.#at));
      this.#at = this.#chunk.length;
      return undefined;
    }
    const whole = text.finish(this.#chunk.subarray(this.#at, end));
    this.#at = end;
    this.#isInValue = false;
    return whole;
  }

  /** A key, or the value of the last one. */
  #keep(text: string): void {
    this.#restLength += text.length;
    if (this.#restLength > maxRestBytes) {
      throw new MalformedError(`what is not items is larger than ${maxRestBytes} bytes`);
    }
    if (this.#place === 'key') {
      this.#key = String(parseJson(text));
      this.#place = 'colon';
    } else {
      if (this.#key === 'items' && this.#rest.has('items')) throw new MalformedError('has items twice');
      this.#rest.set(this.#key, parseJson(text));
      this.#place = 'after member';
    }
  }
}
