import { LRUCache } from 'lru-cache';
import { TokenDigest } from './token-digest.js';

export interface TokenCacheOptions {
  /** How many tokens are remembered; beyond it, the one that came the longest ago is forgotten. */
  readonly limit: number;
  /** Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
}

interface Entry<Value> {
  readonly value: Value;
  readonly validUntil: number;
}

/** A key of a TokenCache: a digest, never the token. */
export type TokenKey = string & { readonly TokenKey: unique symbol };

/** What was found out about tokens, for as long as that is valid; bounded. */
export class TokenCache<Value> {
  readonly #entries: LRUCache<TokenKey, Entry<Value>>;
  readonly #digest = new TokenDigest();
  readonly #now: () => number;

  constructor({ limit, now = Date.now }: TokenCacheOptions) {
    this.#entries = new LRUCache({ max: limit });
    this.#now = now;
  }

  keyOf(token: string): TokenKey {
    return this.#digest.of(token) as TokenKey;
  }

  /** Undefined where nothing is known, or not any more. */
  get(key: TokenKey): Value | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && this.#now() < entry.validUntil ? entry.value : undefined;
  }

  /** `validUntil`: ms since the epoch, that moment excluded. */
  set(key: TokenKey, value: Value, validUntil: number): void {
    this.#entries.set(key, { value, validUntil });
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }
}
