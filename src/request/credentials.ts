import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Authenticator, Credentials, PeerCertificates } from '../authentication/authenticator.js';
import { bearerToken } from '../authentication/tokens/bearer-token.js';
import { streamOf, type Request } from './middleware.js';

/** Further certificates of a longer chain are not read. */
const maxChain = 8;

/** The certificates that a client has sent in its handshake. */
interface PresentedChain {
  readonly certificates: PeerCertificates | undefined;
  /** Whether it sent more certificates than are read. */
  readonly isLonger: boolean;
}

// On the socket, and not in a table: node:http2 hands out a proxy of a connection's socket.
const presentedKey = Symbol('kcp-metrics-filter');

type SocketWithChain = Socket & { [presentedKey]?: PresentedChain };

/** Why no authenticator found its kind of credentials, without quoting them. */
export function noCredentialsIn(credentials: Credentials): string {
  if (credentials.headers['authorization'] !== undefined) {
    const token = bearerToken(credentials);
    return typeof token !== 'string' && token.kind === 'none'
      ? 'the Authorization header holds no bearer token'
      : 'no method takes bearer tokens';
  }
  return credentials.peerCertificates === undefined
    ? 'no credentials'
    : 'no method takes the client certificate';
}

/** The parts of a request that authenticators see. */
export function credentialsOf(request: Request): Credentials {
  return new RequestCredentials(request);
}

/** Reads lazily: certificate authentication needs no headers, and parsing them is slow. */
class RequestCredentials implements Credentials {
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

  get headers(): Credentials['headers'] {
    return streamOf(this.#request) === undefined
      ? this.#request.headersDistinct
      : headersDistinct(this.#request.rawHeaders);
  }
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
 * Read once a connection: the chain does not change after the handshake, and Node hands out the certificates above the
 * leaf only once.
 */
export function presentedChain(socket: SocketWithChain): PresentedChain {
  const chain = socket[presentedKey] ?? readChain(socket);
  socket[presentedKey] = chain;
  return chain;
}

/**
 * Read as X509Certificate objects: Node's older description of a peer's certificate parses far more of it than is needed,
 * and what an unknown client sends should meet as little code as possible.
 */
function readChain(socket: Socket): PresentedChain {
  const chain: Uint8Array[] = [];
  let certificate = isTls(socket) ? socket.getPeerX509Certificate() : undefined;
  while (certificate !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  const [leaf, ...intermediates] = chain;
  const certificates = leaf === undefined ? undefined : ({ chain: [leaf, ...intermediates] } as const);
  return { certificates, isLonger: certificate !== undefined };
}

const renewalKey = Symbol('kcp-metrics-filter');

/**
 * When a client should connect anew (ms since the epoch), so that it shows its next certificate before this one expires:
 * half of what was left of it when this connection was first asked. A client that sends all the time would keep one
 * connection, and lose what it sends once the certificate is refused.
 */
export function renewalOf(socket: Socket & { [renewalKey]?: number }): number {
  const known = socket[renewalKey];
  if (known !== undefined) return known;
  const certificate = isTls(socket) ? socket.getPeerX509Certificate() : undefined;
  const now = Date.now();
  const renewal = certificate === undefined ? Infinity : now + (Date.parse(certificate.validTo) - now) / 2;
  socket[renewalKey] = renewal;
  return renewal;
}

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
    return isFrontProxy(credentialsOf(request));
  } catch {
    return false;
  }
}
