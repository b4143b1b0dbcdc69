import type { Certificate } from '../../authentication/certificates/certificate.js';
import { chainFindings } from './certificate-chain-checks.js';
import { weaknessesOf } from './certificate-strength.js';
import { validityOf } from './certificate-validity.js';
import { finding, type Finding, type Level } from './finding.js';
import { pemCertificates } from './pem-certificates.js';

const serverAuth = '1.3.6.1.5.5.7.3.1';

export interface ServingCertificate {
  /** What findings name: flag and file. */
  readonly subject: string;
  /** PEM: the certificate to serve with, and intermediates behind it. */
  readonly pem: string;
}

/**
 * Whether clients will accept the certificate that is served. That it can be read, and that the key is its key, is
 * what a start looks at itself: of a certificate that cannot be read nothing is said here. `now` in ms since the
 * epoch.
 */
export function servingCertificateFindings(
  { subject, pem }: ServingCertificate,
  now: number,
): readonly Finding[] {
  const at = (level: Level, message: string): Finding =>
    finding(level, 'serving-certificate', subject, message);
  const [first, ...behind] = pemCertificates(pem);
  const leaf = first?.certificate;
  if (leaf === undefined) return [];
  const { level, words } = validityOf(leaf, now);
  return [
    at(level, `certificate ${leaf.title} ${words}`),
    ...nameFaults(leaf).map((fault) => at('error', fault)),
    ...weaknessesOf(leaf).map((weakness) => at('warning', `certificate ${leaf.title} ${weakness}: renew it`)),
    ...chainFindings(subject, leaf, behind, now),
  ];
}

/** Why clients would not take it for a server's, or not for this server's. */
function nameFaults({ x509, title, extendedKeyUsages }: Certificate): readonly string[] {
  const { subjectAltName = '' } = x509;
  return [
    ...(/(?:^|, )(?:DNS|IP Address):/.test(subjectAltName)
      ? []
      : [
          `certificate ${title} names no host in its subjectAltName, and clients such as Prometheus look nowhere else: issue one that does`,
        ]),
    ...(extendedKeyUsages?.includes(serverAuth) === false
      ? [
          `certificate ${title} is not for server authentication: issue one with the extended key usage serverAuth`,
        ]
      : []),
  ];
}
