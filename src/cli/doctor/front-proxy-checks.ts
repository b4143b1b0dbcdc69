import type { Certificate } from '../../authentication/certificates/certificate.js';
import { isSignedBy } from './certificate-strength.js';
import { finding, type Finding } from './finding.js';
import { pemCertificates } from './pem-certificates.js';

export interface FrontProxyTrust {
  /** What findings name: flag and file of the front proxies' authorities. */
  readonly subject: string;
  /** PEM bundle of the authorities of clients. */
  readonly clientAuthorities: string;
  /** PEM bundle of the authorities of front proxies. */
  readonly proxyAuthorities: string;
  /** CNs of the front proxies; empty believes every certificate of their authorities. */
  readonly allowedNames: readonly string[];
}

/**
 * Kubernetes warns of one authority for clients and front proxies ("CA reusage and conflicts"): where any CN is
 * believed, every client can send X-Remote-User and be whoever he likes.
 */
export function frontProxyFindings(trust: FrontProxyTrust): readonly Finding[] {
  const { subject, allowedNames } = trust;
  const proxies = certificatesOf(trust.proxyAuthorities);
  const shared = certificatesOf(trust.clientAuthorities).filter((client) =>
    proxies.some((proxy) => vouchesFor(proxy, client)),
  );
  return shared.map(({ title }) =>
    allowedNames.length === 0
      ? finding(
          'warning',
          'front-proxy-ca',
          subject,
          `clients of ${title} are believed as front proxies, too, and can be whoever they say in X-Remote-User: name the front proxies with --requestheader-allowed-names, or give them an authority of their own`,
        )
      : finding(
          'ok',
          'front-proxy-ca',
          subject,
          `clients of ${title} are believed as front proxies only with the CN ${allowedNames.map((name) => JSON.stringify(name)).join(', ')}: let it sign those for nobody else`,
        ),
  );
}

/** Whether what a client authority signs has a chain to the proxies' authority as well. */
function vouchesFor(proxy: Certificate, client: Certificate): boolean {
  return (
    proxy.sha256Hex === client.sha256Hex ||
    // The same authority with a renewed certificate.
    (proxy.x509.subject === client.x509.subject && hasSameKey(proxy, client)) ||
    isSignedBy(client.x509, proxy.x509)
  );
}

function hasSameKey(one: Certificate, other: Certificate): boolean {
  return one.x509.publicKey.equals(other.x509.publicKey);
}

/** Each once. */
function certificatesOf(pem: string): readonly Certificate[] {
  const certificates = pemCertificates(pem).flatMap(({ certificate }) => certificate ?? []);
  return [...new Map(certificates.map((certificate) => [certificate.sha256Hex, certificate])).values()];
}
