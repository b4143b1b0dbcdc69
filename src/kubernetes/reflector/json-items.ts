import { PiecedText } from './json-lines.js';
import { MalformedError } from '../kubernetes-errors.js';
import { parseJson } from '../json.js';

const maxItemBytes = 8 * 1024 * 1024;
const maxRestBytes = 1024 * 1024;

/** What may follow, outside of values. */
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
 * has to be parsed at once: write a chunk, take items until there are no more, write the next. Whether an item is JSON
 * shows when it is parsed.
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

  /** @param maxBytes of one item. Default 8 MiB. @param items the member's name. */
  constructor(
    maxBytes = maxItemBytes,
    private readonly items = 'items',
  ) {
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
        if (this.#key === this.items && character === '[') return this.#beginItems();
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
    if (this.#rest.has(this.items)) throw new MalformedError(`has ${this.items} twice`);
    this.#rest.set(this.items, []);
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
      if (this.#key === this.items && this.#rest.has(this.items))
        throw new MalformedError(`has ${this.items} twice`);
      this.#rest.set(this.#key, parseJson(text));
      this.#place = 'after member';
    }
  }
}

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
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * Finds where a JSON value ends, over any number of chunks. It heeds strings and counts brackets, no more:
 * whether what lies between is JSON is for JSON.parse to say.
 */
class JsonValueEnd {
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
