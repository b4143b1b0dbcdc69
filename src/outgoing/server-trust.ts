import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { presentOnly } from '../present-only.js';

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
 * What a TLS server must present: a certificate for `name` (a DNS name or IP address), signed by one of `authorities`
 * (PEM; default those of Node). As in Go and curl, each of these is a trust anchor, also an intermediate: nothing above
 * it is checked.
 */
export function serverTrust(name: string, authorities: string | undefined) {
  return {
    // Without `ca`, Node 20 would ignore NODE_EXTRA_CA_CERTS.
    ...presentOnly({ ca: authorities, allowPartialTrustChain: authorities === undefined ? undefined : true }),
    // Otherwise Node would let an environment variable decide.
    rejectUnauthorized: true,
    // RFC 6066 allows names here, not addresses.
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_: string, certificate: PeerCertificate) => identityFault(name, certificate),
  } satisfies ConnectionOptions;
}

/** Why a trusted certificate is not valid for a DNS name or IP address. */
function identityFault(expected: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(expected) === 0) return checkServerIdentity(expected, certificate);
  // Asks OpenSSL, since Node 22.23 finds no IPv6 address in any certificate.
  if (new X509Certificate(certificate.raw).checkIP(expected) !== undefined) return undefined;
  return Object.assign(new Error('for another address'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
