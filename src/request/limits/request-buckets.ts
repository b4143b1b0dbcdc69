import { hash } from 'node:crypto';
import { RequestLimitError } from '../request-errors.js';

export interface RequestBucketsOptions {
  /** Sustained requests per second of a key. Above 0, at most 1,000,000. */
  readonly perSecond: number;
  /** Burst size. At least 1. Default twice `perSecond`. */
  readonly burst?: number;
  /** Maximum number of keys with their own bucket. Default 10,000. */
  readonly maxKeys?: number;
  /** A monotonic clock (ms). Default `performance.now`. */
  readonly now?: () => number;
}

const maxRequests = 1_000_000;
/** Longer keys are kept as digests, since a name may have thousands of bytes. */
const maxKeyLength = 128;
const looksForRoom = 16;

/**
 * A token bucket for each key. In any t seconds, a bucket lets at most `burst + perSecond * t` requests pass.
 *
 * The table of buckets is bounded and forgets only full ones, which say no more than unknown ones: no flood of other keys
 * gives a client a new bucket before its own is full again. Where the whole table is in use, keys that are not in it share
 * one bucket. Keeping it in use takes `maxKeys * perSecond` requests a second.
 */
export class RequestBuckets {
  readonly #intervalMs: number;
  readonly #depthMs: number;
  readonly #maxKeys: number;
  readonly #now: () => number;
  /** When each bucket will be full again. */
  readonly #fullAt = new Map<string, number>();
  #sharedFullAt = -Infinity;
  /** Goes round the table, so that each part of it is looked at in time. */
  #hand: Iterator<[string, number]>;

  /** @throws RequestLimitError */
  constructor({
    perSecond,
    burst = Math.max(1, 2 * perSecond),
    maxKeys = 10_000,
    now = () => performance.now(),
  }: RequestBucketsOptions) {
    if (!(perSecond > 0 && perSecond <= maxRequests)) {
      throw new RequestLimitError(`perSecond: pass a number above 0, at most ${maxRequests}`);
    }
    if (!(burst >= 1 && burst <= 2 * maxRequests)) {
      throw new RequestLimitError(`burst: pass a number from 1 to ${2 * maxRequests}`);
    }
    if (!(Number.isInteger(maxKeys) && maxKeys >= 1 && maxKeys <= maxRequests)) {
      throw new RequestLimitError(`maxKeys: pass a whole number from 1 to ${maxRequests}`);
    }
    this.#intervalMs = 1000 / perSecond;
    this.#depthMs = (burst - 1) * this.#intervalMs;
    this.#maxKeys = maxKeys;
    this.#now = now;
    this.#hand = this.#fullAt.entries();
  }

  /** Takes a token and returns 0, or returns how long until there is one (ms). */
  take(key: string): number {
    const wait = this.waitFor(key);
    if (wait === 0) this.charge(key, 1);
    return wait;
  }

  /** How long until there is a token (ms). */
  waitFor(key: string): number {
    const now = this.#now();
    const fullAt = this.#fullAt.get(keptKey(key)) ?? (this.#hasRoom(now) ? -Infinity : this.#sharedFullAt);
    return Math.max(0, fullAt - now - this.#depthMs);
  }

  /** Takes tokens even below zero; a negative number gives tokens back. */
  charge(key: string, tokens: number): void {
    const now = this.#now();
    const kept = keptKey(key);
    const known = this.#fullAt.get(kept);
    const later = (fullAt: number): number => Math.max(fullAt, now) + tokens * this.#intervalMs;
    if (known === undefined && !this.#hasRoom(now)) this.#sharedFullAt = later(this.#sharedFullAt);
    else this.#fullAt.set(kept, later(known ?? now));
  }

  get size(): number {
    return this.#fullAt.size;
  }

  #hasRoom(now: number): boolean {
    if (this.#fullAt.size < this.#maxKeys) return true;
    for (let looks = 0; looks < looksForRoom && this.#fullAt.size > 0; looks += 1) {
      const next = this.#hand.next();
      if (next.done === true) this.#hand = this.#fullAt.entries();
      else if (next.value[1] <= now) this.#fullAt.delete(next.value[0]);
    }
    return this.#fullAt.size < this.#maxKeys;
  }
}

/** A digest is longer than any key that is kept as it is. */
function keptKey(key: string): string {
  if (key.length <= maxKeyLength) return key;
  return `sha256:${hash('sha256', key)}`.padEnd(maxKeyLength + 1);
}

const groupsOfAddress = 8;
const groupsOfNetwork = 4;

/** An IPv4 address in its own form, also where a dual-stack socket reports it as `::ffff:192.0.2.1`. */
export function unmappedAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/**
 * The client that a peer's address stands for: an IPv4 address itself, also where IPv6 carries it; of IPv6 the /64, since
 * one host may use any address of it. Never given an address from a header.
 */
export function addressKey(address: string): string {
  const unmapped = unmappedAddress(address);
  if (!unmapped.includes(':')) return unmapped;
  const [plain = '', zone] = unmapped.split('%', 2);
  const [head = '', tail] = plain.split('::', 2);
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const gap = Math.max(0, groupsOfAddress - before.length - after.length);
  const groups = [...before, ...Array.from({ length: gap }, () => '0'), ...after];
  const network = groups
    .slice(0, groupsOfNetwork)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64${zone === undefined ? '' : `%${zone}`}`;
}

/** An IPv4 address at the end stands for two groups. */
function groupsOf(text: string): readonly string[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => (group.includes('.') ? [group, group] : [group]));
}
