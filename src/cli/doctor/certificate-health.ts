import { isSignedBy } from '../../authentication/certificates/certificate-chains.js';
import type { X509Certificate } from 'node:crypto';
import { parseCertificateBundle, type Certificate } from '../../authentication/certificates/certificate.js';
import { certificateBlocks } from '../../files/pem.js';
import { those, type Level } from './finding.js';

export type PlacedCertificate = ReturnType<typeof pemCertificates>[number];

/**
 * The certificates of a PEM text in its order, from 1, duplicates included and undefined where one cannot be read; blocks
 * of other kinds are passed over.
 */
export function pemCertificates(pem: string) {
  return certificateBlocks(pem).map((block, at) => ({ place: at + 1, certificate: readBlock(block.pem) }));
}

/** As a server reads it at its start. */
function readBlock(block: string): Certificate | undefined {
  try {
    return parseCertificateBundle(block)[0];
  } catch {
    return undefined;
  }
}

const minRsaBits = 2048;

/** What clients of today refuse in a certificate. They do not check the signature of a self-signed one. */
export function weaknessesOf({ x509, hasStrongSignature }: Certificate): readonly string[] {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  const bits = asymmetricKeyDetails?.modulusLength ?? minRsaBits;
  const isRsa = asymmetricKeyType === 'rsa' || asymmetricKeyType === 'rsa-pss';
  const isWeaklySigned = !hasStrongSignature && !isSelfSigned(x509);
  return those(
    [isRsa && bits < minRsaBits, `has an RSA key of ${bits} bits, fewer than ${minRsaBits}`],
    [asymmetricKeyType === 'dsa', 'has a DSA key'],
    [isWeaklySigned, 'is signed with SHA-1 or another algorithm that clients refuse'],
  );
}

/** Whether its own key signed it: the issuer's name alone does not say so. */
export function isSelfSigned(x509: X509Certificate): boolean {
  return isSignedBy(x509, x509);
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Renewing a certificate by hand takes a while, and what is renewed by a program is so before its last fifth. */
const soonDays = 30;
const lastPart = 1 / 5;

/**
 * Whether a certificate is valid now, and for how long, in words that follow its name: `expired 3 days ago, on
 * 2026-01-31: renew it`. Times in ms since the epoch; both ends are still valid.
 */
export function validityOf(
  { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>,
  now: number,
): { readonly level: Level; readonly words: string } {
  if (now < notBefore) {
    const from = new Date(notBefore).toISOString();
    return { level: 'error', words: `is not valid before ${from}: look at the clock, or wait` };
  }
  const until = new Date(notAfter).toISOString().slice(0, 10);
  const left = notAfter - now;
  if (left < 0) return { level: 'error', words: `expired ${days(-left)} ago, on ${until}: renew it` };
  return left < Math.min(soonDays * dayMs, (notAfter - notBefore) * lastPart)
    ? { level: 'warning', words: `expires in ${days(left)}, on ${until}: renew it` }
    : { level: 'ok', words: `is valid for ${days(left)}, until ${until}` };
}

function days(ms: number): string {
  if (ms < hourMs) return 'less than an hour';
  const [count, unit] = ms < dayMs ? [Math.floor(ms / hourMs), 'hour'] : [Math.floor(ms / dayMs), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
