import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Credentials, PeerCertificates } from '../authentication/authenticator.js';
import { bearerToken } from '../authentication/bearer-token.js';
import type { Request } from './middleware.js';

/** A client that sends a longer chain is not looked at any further. */
const maxChain = 8;

/** Read once a connection: the handshake is over, and the chain does not change any more. */
const presented = new WeakMap<Socket, PeerCertificates | 'none'>();

/** All that authenticators may see of a request. */
export function credentialsOf(request: Request): Credentials {
  return new RequestCredentials(request);
}

/** Why no method has found credentials of its own, in words that quote nothing of what was sent. */
export function noCredentialsIn(credentials: Credentials): string {
  if (credentials.headers['authorization'] !== undefined) {
    return bearerToken(credentials).kind === 'none'
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
    return peerCertificatesOf(this.#request.socket);
  }

  get headers(): Credentials['headers'] {
    return this.#request.headersDistinct;
  }
}

function peerCertificatesOf(socket: Socket): PeerCertificates | undefined {
  let known = presented.get(socket);
  if (known === undefined) {
    known = readChain(socket);
    presented.set(socket, known);
  }
  return known === 'none' ? undefined : known;
}

/**
 * Read as X509Certificate objects: Node's older description of a peer's certificate parses far more of it than
 * is needed, and what a stranger sends should meet as little code as possible.
 */
function readChain(socket: Socket): PeerCertificates | 'none' {
  if (!isTls(socket)) return 'none';
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  const [leaf, ...intermediates] = chain;
  return leaf === undefined ? 'none' : { chain: [leaf, ...intermediates] };
}

function isTls(socket: Socket): socket is TLSSocket {
  return 'getPeerX509Certificate' in socket;
}
