import type { Identity } from './identity.js';

/** The certificates a TLS peer presented. One object for the life of a connection: verdicts are remembered by it. */
export interface PeerCertificates {
  /** DER, the leaf first; a resumed TLS session may bring the leaf alone. */
  readonly chain: readonly [leaf: Uint8Array, ...intermediates: Uint8Array[]];
}

/** All that authenticators see of a request. */
export interface Credentials {
  readonly peerCertificates?: PeerCertificates | undefined;
  /** Values as sent (bytes as Latin-1), each header line apart, by lower-case name. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

export type Authentication =
  | { readonly kind: 'authenticated'; readonly identity: Identity }
  /** Credentials of this method were presented and are not valid. The reason is for the operator's log and
   * holds no secret; the client is not told. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The request carries nothing of this method. */
  | { readonly kind: 'none' };

/** Finds out who sends a request, by one method. */
export interface Authenticator {
  /** Short and fixed (`client-certificate`): it becomes a metric's label. */
  readonly name: string;
  authenticate(credentials: Credentials): Authentication | Promise<Authentication>;
  /**
   * Whether the peer itself is a front proxy: then its `Audit-Id` and `X-Forwarded-For` are trusted, whoever it
   * speaks for. Default: no peer is.
   */
  isFrontProxy?(credentials: Credentials): boolean;
}

export const none: Authentication = Object.freeze({ kind: 'none' });

export function refused(reason: string): Authentication {
  return Object.freeze({ kind: 'refused', reason });
}

/** An empty allow list must not turn into "everyone". @throws RangeError for an empty list or a blank name. */
export function requireNames(option: string, names: readonly string[]): void {
  if (names.length === 0 || names.some((name) => name.trim() === '')) {
    throw new RangeError(`${option} must not be empty`);
  }
}

/** The authenticator that is current when a request comes; `name` is that of each of them. */
export function reloadableAuthenticator(
  name: string,
  followed: { readonly current: Authenticator },
): Authenticator {
  return { name, authenticate: (credentials) => followed.current.authenticate(credentials) };
}
