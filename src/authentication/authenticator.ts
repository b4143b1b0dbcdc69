import type { Identity } from './identity.js';
import { aText, anObject, checkArgument } from '../option-checks.js';

/** The certificates a TLS peer presented. One object per connection, by which results are remembered. */
export interface PeerCertificates {
  /** DER, the leaf first; a resumed TLS session may bring the leaf alone. */
  readonly chain: readonly [leaf: Uint8Array, ...intermediates: Uint8Array[]];
}

/** Everything authenticators see of a request. */
export interface Credentials {
  readonly peerCertificates?: PeerCertificates | undefined;
  /** Values as sent (bytes as Latin-1), one for each header line, by lower-case name. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  /** The first `Authorization` line, where it is at hand without taking all headers apart. Default: that of `headers`. */
  readonly authorization?: string | undefined;
}

export type Authentication =
  | { readonly kind: 'authenticated'; readonly identity: Identity }
  /** What this method reads was presented, and is not valid or not for it: authenticators of JWTs refuse any other bearer
   * token. The reason is for the operator's log, not for the client, and holds no secret. */
  | Refused
  /** The request has nothing that this method takes for credentials: no bearer token at all, say. */
  | { readonly kind: 'none' };

export interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
}

export interface Authenticator {
  /** Short and fixed (`client-certificate`): a label of metrics. */
  readonly name: string;
  authenticate(credentials: Credentials): Authentication | Promise<Authentication>;
  /** Whether the peer is a front proxy, whose `Audit-Id` and `X-Forwarded-For` are trusted. Default: never. */
  isFrontProxy?(credentials: Credentials): boolean;
}

export const none: Authentication = Object.freeze({ kind: 'none' });

export function refused(reason: string): Refused {
  return Object.freeze({ kind: 'refused', reason });
}

/** An empty allow list must not come to mean everyone. @throws RangeError for an empty list or a blank name. */
export function requireNames(option: string, names: readonly string[]): void {
  if (names.length === 0 || names.some((name) => name.trim() === '')) {
    throw new RangeError(`${option} must not be empty`);
  }
}

/** Delegates to the authenticator in force at each request; all of them are called `name`. */
export function reloadableAuthenticator(
  name: string,
  followed: { readonly current: Authenticator },
): Authenticator {
  checkArgument('name', name, aText);
  checkArgument('followed', followed, anObject('{ current: Authenticator }', 'current'));
  return { name, authenticate: (credentials) => followed.current.authenticate(credentials) };
}
