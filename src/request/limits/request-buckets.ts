import { createHash } from 'node:crypto';

export interface RequestBucketsOptions {
  /** How many requests a second each key may go on sending. Above 0, at most 1,000,000. */
  readonly perSecond: number;
  /** How many it may send at once, after a pause. At least 1. Default twice `perSecond`. */
  readonly burst?: number;
  /** How many keys are told apart. Default 10,000. */
  readonly maxKeys?: number;
  /** In ms, of a clock that never goes back. Default `performance.now`. */
  readonly now?: () => number;
}

/** A limit that cannot be used; the message names the option. */
export class RequestLimitError extends Error {
  override readonly name = 'RequestLimitError';
  readonly code = 'ERR_REQUEST_LIMIT';
}

const maxRequests = 1_000_000;
/** Longer keys are held as their digests: a name may have thousands of bytes. */
const maxKeyLength = 128;
const looksForRoom = 16;

/**
 * A token bucket for each key. In any t seconds, a bucket lets at most `burst + perSecond * t` requests pass.
 *
 * Keys are told apart in a table of bounded size, which forgets full buckets alone: they say no more than unknown
 * ones. So no flood of other keys gives anybody a new bucket before his own is full again. Where all of the table is
 * in use, those who are not in it share one bucket. To keep it so takes `maxKeys * perSecond` requests a second.
 */
export class RequestBuckets {
  readonly #intervalMs: number;
  readonly #depthMs: number;
  readonly #maxKeys: number;
  readonly #now: () => number;
  /** When each bucket will be full again. */
  readonly #fullAt = new Map<string, number>();
  #sharedFullAt = -Infinity;
  /** Goes round the table, so that no part of it can stand in the way for long. */
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

  /** Takes a token: 0 where there is one, else how long it will be until there is (ms). */
  take(key: string): number {
    const wait = this.waitFor(key);
    if (wait === 0) this.charge(key, 1);
    return wait;
  }

  /** 0 where there is a token, else how long it will be until there is (ms). */
  waitFor(key: string): number {
    const now = this.#now();
    const fullAt = this.#fullAt.get(heldKey(key)) ?? (this.#hasRoom(now) ? -Infinity : this.#sharedFullAt);
    return Math.max(0, fullAt - now - this.#depthMs);
  }

  /** Takes tokens whether there are so many or not: what is missing has to come again first. Less than 0 gives back. */
  charge(key: string, tokens: number): void {
    const now = this.#now();
    const held = heldKey(key);
    const known = this.#fullAt.get(held);
    const later = (fullAt: number): number => Math.max(fullAt, now) + tokens * this.#intervalMs;
    if (known === undefined && !this.#hasRoom(now)) this.#sharedFullAt = later(this.#sharedFullAt);
    else this.#fullAt.set(held, later(known ?? now));
  }

  /** How many keys are in the table. */
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

/** A digest is longer than any key that is held as it is. */
function heldKey(key: string): string {
  if (key.length <= maxKeyLength) return key;
  return `sha256:${createHash('sha256').update(key).digest('hex')}`.padEnd(maxKeyLength + 1);
}
