import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Why a server's certificate, which an authority vouches for, is not for a DNS name or IP address. */
export function serverIdentityFault(expected: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(expected) === 0) return checkServerIdentity(expected, certificate);
  // OpenSSL is asked, since Node 22.23 finds no IPv6 address in any certificate.
  if (new X509Certificate(certificate.raw).checkIP(expected) !== undefined) return undefined;
  return Object.assign(new Error('for another address'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
