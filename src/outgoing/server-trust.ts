import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { given } from '../given.js';

/** A URL's host as Node connects to it: an IPv6 address without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** A URL's port, also where it is left out. */
export function portOf({ protocol, port }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}

/**
 * What a connection to a TLS server demands of it: a certificate for `name`, a DNS name or IP address, that leads to one
 * of `authorities` (PEM). As for Go and curl each of these is an anchor, an intermediate as well: what is above it is
 * not looked at. Default: those of Node.
 */
export function serverTrust(name: string, authorities: string | undefined) {
  return {
    // Without `ca`, Node 20 would forget NODE_EXTRA_CA_CERTS for it.
    ...given({ ca: authorities, allowPartialTrustChain: authorities === undefined ? undefined : true }),
    // Otherwise Node would let an environment variable decide.
    rejectUnauthorized: true,
    // RFC 6066 wants names there, not addresses.
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_: string, certificate: PeerCertificate) => identityFault(name, certificate),
  } satisfies ConnectionOptions;
}

/** Why a certificate that an authority vouches for is not for a DNS name or IP address. */
function identityFault(expected: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(expected) === 0) return checkServerIdentity(expected, certificate);
  // OpenSSL is asked, since Node 22.23 finds no IPv6 address in any certificate.
  if (new X509Certificate(certificate.raw).checkIP(expected) !== undefined) return undefined;
  return Object.assign(new Error('for another address'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
