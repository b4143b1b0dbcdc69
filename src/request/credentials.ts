import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Credentials, PeerCertificates } from '../authentication/authenticator.js';
import { bearerToken } from '../authentication/tokens/bearer-token.js';
import { streamOf, type Request } from './middleware.js';

/** A client that sends a longer chain is not looked at any further. */
const maxChain = 8;

/** What a connection's client has sent in its handshake. */
export interface PresentedChain {
  readonly certificates: PeerCertificates | undefined;
  /** Whether it sent more certificates than are looked at. */
  readonly isLonger: boolean;
}

// On the socket, and not in a table: what node:http2 calls a request's socket stands in for the connection's own.
const presentedKey = Symbol('kcp-metrics-filter');

type SocketWithChain = Socket & { [presentedKey]?: PresentedChain };

/** All that authenticators may see of a request. */
export function credentialsOf(request: Request): Credentials {
  return new RequestCredentials(request);
}

/** Why no method has found credentials of its own, in words that quote nothing of what was sent. */
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

/** Reads what is asked for: a certificate's authenticator has no use for headers, and taking them apart costs. */
class RequestCredentials implements Credentials {
  readonly #request: Request;

  constructor(request: Request) {
    this.#request = request;
  }

  get peerCertificates(): PeerCertificates | undefined {
    return peerCertificatesOf(this.#request);
  }

  get headers(): Credentials['headers'] {
    return streamOf(this.#request) === undefined
      ? this.#request.headersDistinct
      : headersDistinct(this.#request.rawHeaders);
  }
}

/** What Node has for HTTP/1 alone. */
function headersDistinct(rawHeaders: readonly string[]): Credentials['headers'] {
  const headers: Record<string, string[] | undefined> = Object.create(null) as Record<string, never>;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    (headers[name] ??= []).push(rawHeaders[at + 1] ?? '');
  }
  return headers;
}

function peerCertificatesOf(request: Request): PeerCertificates | undefined {
  const stream = streamOf(request);
  // Over HTTP/2 each request has a socket of its own to show; that of its session is one for all, while it is open.
  const socket = stream === undefined ? request.socket : stream.session?.socket;
  return socket === undefined ? undefined : presentedChain(socket).certificates;
}

/**
 * Read once a connection: the handshake is over, and the chain does not change any more. Nor could it be read again:
 * Node hands out the certificates above the leaf a single time.
 */
export function presentedChain(socket: SocketWithChain): PresentedChain {
  const chain = socket[presentedKey] ?? readChain(socket);
  socket[presentedKey] = chain;
  return chain;
}

/**
 * Read as X509Certificate objects: Node's older description of a peer's certificate parses far more of it than
 * is needed, and what a stranger sends should meet as little code as possible.
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

/** Asked for by name: a socket of HTTP/2 is a proxy, in which nothing is found by `in`. */
function isTls(socket: Socket | TLSSocket): socket is TLSSocket {
  return (socket as Partial<TLSSocket>).getPeerX509Certificate !== undefined;
}
