import type { Socket } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Credentials, PeerCertificates } from '../authentication/authenticator.js';
import type { Request } from './middleware.js';

/** A client that sends a longer chain is not looked at any further. */
const maxChain = 8;

/** Read once a connection: the handshake is over, and the chain does not change any more. */
const presented = new WeakMap<Socket, PeerCertificates | 'none'>();

/** All that authenticators may see of a request. */
export function credentialsOf(request: Request): Credentials {
  const peerCertificates = peerCertificatesOf(request.socket);
  const headers = request.headersDistinct;
  return peerCertificates === undefined ? { headers } : { peerCertificates, headers };
}

function peerCertificatesOf(socket: Socket): PeerCertificates | undefined {
  let known = presented.get(socket);
  if (known === undefined) {
    known = readChain(socket);
    presented.set(socket, known);
  }
  return known === 'none' ? undefined : known;
}

function readChain(socket: Socket): PeerCertificates | 'none' {
  if (!isTls(socket)) return 'none';
  const chain: Uint8Array[] = [];
  let certificate: Partial<DetailedPeerCertificate> | null | undefined = socket.getPeerCertificate(true);
  // The end of the chain points to itself; a resumed session may end without.
  while (certificate?.raw !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw);
    const issuer: Partial<DetailedPeerCertificate> | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  const [leaf, ...intermediates] = chain;
  return leaf === undefined ? 'none' : { chain: [leaf, ...intermediates] };
}

function isTls(socket: Socket): socket is TLSSocket {
  return 'getPeerCertificate' in socket;
}
