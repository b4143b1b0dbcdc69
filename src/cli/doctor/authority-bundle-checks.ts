import type { Certificate } from '../../authentication/certificates/certificate.js';
import { weaknessesOf } from './certificate-strength.js';
import { validityOf } from './certificate-validity.js';
import { finding, type Check, type Finding, type Level } from './finding.js';
import { pemCertificates } from './pem-certificates.js';

const clientAuth = '1.3.6.1.5.5.7.3.2';

export interface AuthorityBundle {
  readonly check: Extract<Check, 'client-ca' | 'front-proxy-ca'>;
  /** What findings name: flag and file. */
  readonly subject: string;
  /** PEM bundle of the authorities of client certificates. */
  readonly pem: string;
}

/**
 * Whether the certificates of a bundle can vouch for client certificates. Of what cannot be read nothing is said: a
 * start fails for it. `now` in ms since the epoch.
 */
export function authorityBundleFindings(
  { check, subject, pem }: AuthorityBundle,
  now: number,
): readonly Finding[] {
  const at = (level: Level, message: string): Finding => finding(level, check, subject, message);
  const findings: Finding[] = [];
  const places = new Map<string, number>();
  let usable = 0;
  for (const { place, certificate } of pemCertificates(pem)) {
    if (certificate === undefined) continue;
    const named = `certificate ${place}, ${certificate.title},`;
    const first = places.get(certificate.sha256Hex);
    if (first !== undefined) {
      findings.push(
        at('warning', `${named} stands there already as certificate ${first}: remove one of them`),
      );
      continue;
    }
    places.set(certificate.sha256Hex, place);
    const validity = validityOf(certificate, now);
    const faults = authorityFaults(certificate);
    if (faults.length === 0 && validity.level !== 'error') usable += 1;
    // One that has lapsed may stay beside its successor for a while.
    findings.push(at(validity.level === 'error' ? 'warning' : validity.level, `${named} ${validity.words}`));
    for (const fault of faults) findings.push(at('warning', `${named} ${fault}`));
    for (const weakness of keyWeaknesses(certificate)) {
      findings.push(at('warning', `${named} ${weakness}: renew it`));
    }
  }
  if (usable === 0 && places.size > 0) {
    findings.push(at('error', 'no certificate in it can vouch for anybody: put the right authority in'));
  }
  return findings;
}

/** Why it vouches for nobody: what the verifier of client certificates holds against it. */
function authorityFaults({
  isAuthority,
  maySignCertificates,
  hasNameConstraints,
  unknownCriticalExtension,
  extendedKeyUsages,
}: Certificate): readonly string[] {
  return [
    ...(isAuthority
      ? []
      : ['is not a certificate authority: put the authority in that signs client certificates']),
    ...(maySignCertificates ? [] : ['may not sign certificates: its keyUsage lacks keyCertSign']),
    ...(hasNameConstraints
      ? ['has name constraints, which are not supported: all it signed is refused']
      : []),
    ...(unknownCriticalExtension === undefined
      ? []
      : [`has the unknown critical extension ${unknownCriticalExtension}: all it signed is refused`]),
    ...(extendedKeyUsages?.includes(clientAuth) === false
      ? ['is not for client authentication: its extended key usages lack clientAuth']
      : []),
  ];
}

/** What is in the bundle is trusted for what it is: nobody looks at who signed it, and how. */
function keyWeaknesses(certificate: Certificate): readonly string[] {
  return weaknessesOf({ ...certificate, hasStrongSignature: true });
}
