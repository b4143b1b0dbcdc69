import type { Certificate } from '../../authentication/certificates/certificate.js';
import { isSelfSigned, isSignedBy, weaknessesOf } from './certificate-strength.js';
import { validityOf } from './certificate-validity.js';
import { finding, type Finding, type Level } from './finding.js';
import type { PlacedCertificate } from './pem-certificates.js';

/**
 * Whether the certificates behind a serving certificate lead up from it one by one: TLS sends them as they stand,
 * and not every client puts them in order. `now` in ms since the epoch.
 */
export function chainFindings(
  subject: string,
  leaf: Certificate,
  behind: readonly PlacedCertificate[],
  now: number,
): readonly Finding[] {
  const at = (level: Level, message: string): Finding =>
    finding(level, 'serving-certificate', subject, message);
  const findings: Finding[] = [];
  let last = leaf;
  let isOrdered = true;
  for (const { place, certificate } of behind) {
    if (certificate === undefined) {
      findings.push(at('error', `certificate ${place} cannot be read: clients get a broken chain`));
      isOrdered = false;
      continue;
    }
    findings.push(...intermediateFindings(certificate, place, now, at));
    if (isOrdered && isSignedBy(last.x509, certificate.x509)) last = certificate;
    else if (isOrdered) {
      findings.push(at('warning', misplaced(last, place, behind)));
      isOrdered = false;
    }
  }
  return isOrdered ? [...findings, at('ok', endOf(last, behind.length))] : findings;
}

function intermediateFindings(
  certificate: Certificate,
  place: number,
  now: number,
  at: (level: Level, message: string) => Finding,
): readonly Finding[] {
  const { title, isAuthority, maySignCertificates, x509 } = certificate;
  const named = `certificate ${place}, ${title},`;
  const { level, words } = validityOf(certificate, now);
  // Of a root, clients look at their own copy alone.
  const levelHere = level === 'error' && isSelfSigned(x509) ? 'warning' : level;
  return [
    ...(level === 'ok' ? [] : [at(levelHere, `${named} ${words}`)]),
    ...(isAuthority && maySignCertificates
      ? []
      : [at('warning', `${named} may not sign certificates: leave it out, or put the issuer in its place`)]),
    ...weaknessesOf(certificate).map((weakness) => at('warning', `${named} ${weakness}: renew it`)),
  ];
}

function misplaced(below: Certificate, place: number, behind: readonly PlacedCertificate[]): string {
  const issuer = behind.find(
    ({ certificate }) => certificate !== undefined && isSignedBy(below.x509, certificate.x509),
  );
  return issuer === undefined
    ? `certificate ${place} did not sign ${below.title}: put the certificate of its issuer there`
    : `certificate ${place} did not sign ${below.title}, certificate ${issuer.place} did: put that in its place`;
}

function endOf({ x509, title, issuer = '' }: Certificate, intermediates: number): string {
  const length =
    intermediates === 0 ? 'stands alone' : `leads over ${intermediates} behind it, in the right order,`;
  return isSelfSigned(x509)
    ? `the chain ${length} and ends in ${title}, which signed itself: clients have to trust it`
    : `the chain ${length} and ends in ${title}: clients have to know its issuer ${JSON.stringify(issuer.replaceAll('\n', ', '))}`;
}
