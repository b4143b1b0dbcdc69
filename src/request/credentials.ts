import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Authenticator, Credentials, PeerCertificates } from '../authentication/authenticator.js';
import { credentialIdKey, type Identity } from '../authentication/identity.js';
import { bearerToken } from '../authentication/tokens/bearer-token.js';
import { asRootNames } from '../authorization/authorizer.js';
import type { ScrapingUser } from '../exposition/exposition.js';
import { headerLine, oncePerSocket, streamOf, type Request } from './middleware.js';

/** Further certificates of a longer chain are not read. */
const maxChain = 8;

/** The certificates that a client has sent in its handshake. */
interface PresentedChain {
  readonly certificates: PeerCertificates | undefined;
  /** Whether it sent more certificates than are read. */
  readonly isLonger: boolean;
}

/** Why no authenticator found its kind of credentials, without quoting them. */
export function noCredentialsIn(credentials: RequestCredentials): string {
  if (credentials.authorization !== undefined) {
    const token = bearerToken(credentials);
    return typeof token !== 'string' && token.kind === 'none'
      ? 'the Authorization header holds no bearer token'
      : 'no method takes bearer tokens';
  }
  return credentials.peerCertificates === undefined
    ? 'no credentials'
    : 'no method takes the client certificate';
}

/**
 * The parts of a request that authenticators see, read when asked: parsing headers is slow, and a certificate needs
 * none.
 */
export class RequestCredentials implements Credentials {
  readonly #request: Request;

  constructor(request: Request) {
    this.#request = request;
  }

  get peerCertificates(): PeerCertificates | undefined {
    const stream = streamOf(this.#request);
    // Over HTTP/2 each request has a socket of its own to show; that of its session is one for all, while it is open.
    const socket = stream === undefined ? this.#request.socket : stream.session?.socket;
    return socket === undefined ? undefined : presentedChain(socket).certificates;
  }

  get authorization(): string | undefined {
    return headerLine(this.#request, 'authorization');
  }

  get headers(): Credentials['headers'] {
    return streamOf(this.#request) === undefined
      ? this.#request.headersDistinct
      : headersDistinct(this.#request.rawHeaders);
  }
}

/** A user's name in a line of a log: no name that users of several workspaces have, but those of root as they are. */
export function loggedNameOf(identity: Identity | undefined): string | undefined {
  return identity && asRootNames(identity).name;
}

/** What an upstream or a backend may be told of a user: no name that users of several workspaces have. */
export function scrapingUserOf(identity: Identity): ScrapingUser {
  const { name, groups, extra } = asRootNames(identity);
  const entries = Object.entries(extra).filter(([key]) => key !== credentialIdKey);
  return entries.length === 0 ? { name, groups } : { name, groups, extra: Object.fromEntries(entries) };
}

/** Node's `headersDistinct`, which HTTP/2 lacks. */
function headersDistinct(rawHeaders: readonly string[]): Credentials['headers'] {
  const headers: Record<string, string[] | undefined> = Object.create(null) as Record<string, never>;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    (headers[name] ??= []).push(rawHeaders[at + 1] ?? '');
  }
  return headers;
}

/**
 * Read once a connection, since Node hands out the certificates above the leaf only once, and as X509Certificate objects:
 * Node's older description of a peer's certificate parses far more of it than is needed, and what an unknown client sends
 * should meet as little code as possible.
 */
export const presentedChain = oncePerSocket((socket): PresentedChain => {
  const chain: Uint8Array[] = [];
  let certificate = isTls(socket) ? socket.getPeerX509Certificate() : undefined;
  while (certificate !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  const [leaf, ...intermediates] = chain;
  const certificates = leaf === undefined ? undefined : ({ chain: [leaf, ...intermediates] } as const);
  return { certificates, isLonger: certificate !== undefined };
});

/**
 * When a client should connect anew (ms since the epoch), so that it shows its next certificate before this one expires:
 * half of what was left of it when this connection was first asked. A client that sends all the time would keep one
 * connection, and lose what it sends once the certificate is refused.
 */
export const renewalOf = oncePerSocket((socket): number => {
  const certificate = isTls(socket) ? socket.getPeerX509Certificate() : undefined;
  const now = Date.now();
  return certificate === undefined ? Infinity : now + (Date.parse(certificate.validTo) - now) / 2;
});

/** A socket of HTTP/2 is a proxy, in which `in` finds nothing. */
function isTls(socket: Socket | TLSSocket): socket is TLSSocket {
  return (socket as Partial<TLSSocket>).getPeerX509Certificate !== undefined;
}

/** Whether these credentials are those of a verified front proxy. */
export type FrontProxyCheck = (credentials: Credentials) => boolean;

/** Combines the checks of the authenticators that know front proxies; undefined if there are none. */
export function frontProxyCheckOf(authenticators: readonly Authenticator[]): FrontProxyCheck | undefined {
  const knowing = authenticators.filter((authenticator) => 'isFrontProxy' in authenticator);
  if (knowing.length === 0) return undefined;
  return (credentials) => knowing.some((authenticator) => authenticator.isFrontProxy?.(credentials) === true);
}

/** A check that fails counts as no. */
export function isBehindFrontProxy(request: Request, isFrontProxy: FrontProxyCheck): boolean {
  try {
    return isFrontProxy(new RequestCredentials(request));
  } catch {
    return false;
  }
}
