import { none, refused, type Authentication, type Credentials } from '../authenticator.js';
import { LRUCache } from 'lru-cache';
import { hash, randomBytes } from 'node:crypto';

/** Returned as this very object if a token was ignored for an extra space before it: the client gets a warning. */
export const afterExtraSpace: Authentication = Object.freeze({ kind: 'none' });
const malformed = refused('text behind the bearer token');

/**
 * The token of an `Authorization: Bearer <token>` header (RFC 6750, section 2.1; Latin-1, as sent), or the answer to a
 * request without one. Read as kube-apiserver reads it: of several headers the first, the scheme in any case, exactly
 * one space. Text after the token is refused; kube-apiserver ignores it.
 */
export function bearerToken(credentials: Credentials): string | Authentication {
  const header =
    'authorization' in credentials ? credentials.authorization : credentials.headers['authorization']?.[0];
  const [scheme, token = '', ...rest] = (header ?? '').trim().split(' ', 3);
  if (scheme?.toLowerCase() !== 'bearer') return none;
  if (token === '') return rest.length > 0 ? afterExtraSpace : none;
  return rest.length > 0 ? malformed : token;
}

/** A salted SHA-256 of tokens: the time of a look-up tells nothing of a token, and none can be used as one. */
export function tokenDigest(): (token: string) => string {
  // Of this function only: no two tables share keys.
  const salt = randomBytes(32).toString('base64');
  return (token) => hash('sha256', salt + token);
}

/** A key of a TokenCache: a digest, never the token. */
export type TokenKey = string & { readonly TokenKey: unique symbol };

/** A bounded cache of results by token, each until it expires. */
export class TokenCache<Value> {
  readonly #entries: LRUCache<TokenKey, { readonly value: Value; readonly validUntil: number }>;
  readonly #digest = tokenDigest();

  /** Of more than `limit` tokens the least recently used is forgotten first. `now` in ms; default Date.now. */
  constructor(
    limit: number,
    private readonly now: () => number = Date.now,
  ) {
    this.#entries = new LRUCache({ max: limit });
  }

  keyOf(token: string): TokenKey {
    return this.#digest(token) as TokenKey;
  }

  /** Undefined if unknown or expired. */
  get(key: TokenKey): Value | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && this.now() < entry.validUntil ? entry.value : undefined;
  }

  /** `validUntil`: on the clock, exclusive. */
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
