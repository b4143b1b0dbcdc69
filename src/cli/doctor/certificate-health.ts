import type { X509Certificate } from 'node:crypto';
import { parseCertificateBundle, type Certificate } from '../../authentication/certificates/certificate.js';
import { certificateBlocks } from '../../files/pem.js';
import { those, type Level } from './finding.js';

/** One block of a PEM file. */
export interface PlacedCertificate {
  /** From 1, in the order of the file. */
  readonly place: number;
  /** Undefined where it cannot be read. */
  readonly certificate: Certificate | undefined;
}

/** The certificates of a PEM text in its order, duplicates included; blocks of other kinds are passed over. */
export function pemCertificates(pem: string): readonly PlacedCertificate[] {
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
  return those(
    [isRsa && bits < minRsaBits, `has an RSA key of ${bits} bits, fewer than ${minRsaBits}`],
    [asymmetricKeyType === 'dsa', 'has a DSA key'],
    [
      !hasStrongSignature && !isSelfSigned(x509),
      'is signed with SHA-1 or another algorithm that clients refuse',
    ],
  );
}

/** Whether its own key signed it: the issuer's name alone does not say so. */
export function isSelfSigned(x509: X509Certificate): boolean {
  return isSignedBy(x509, x509);
}

/** By name and signature; whether the issuer may sign at all is another question. */
export function isSignedBy(x509: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return x509.issuer === issuer.subject && x509.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Renewing a certificate by hand takes a while, and what is renewed by a program is so before its last fifth. */
const soonDays = 30;
const lastPart = 1 / 5;

/** Milliseconds since the epoch; both ends are still valid. */
type ValidityPeriod = Pick<Certificate, 'notBefore' | 'notAfter'>;

export interface Validity {
  readonly level: Level;
  /** Goes on after the certificate's name: `expired 3 days ago, on 2026-01-31: renew it`. */
  readonly words: string;
}

/** Whether a certificate is valid now, and for how long. `now` in ms since the epoch. */
export function validityOf({ notBefore, notAfter }: ValidityPeriod, now: number): Validity {
  if (now < notBefore) {
    const from = new Date(notBefore).toISOString();
    return { level: 'error', words: `is not valid before ${from}: look at the clock, or wait` };
  }
  if (notAfter < now) {
    return { level: 'error', words: `expired ${days(now - notAfter)} ago, on ${date(notAfter)}: renew it` };
  }
  const left = notAfter - now;
  return left < Math.min(soonDays * dayMs, (notAfter - notBefore) * lastPart)
    ? { level: 'warning', words: `expires in ${days(left)}, on ${date(notAfter)}: renew it` }
    : { level: 'ok', words: `is valid for ${days(left)}, until ${date(notAfter)}` };
}

function days(ms: number): string {
  const count = Math.floor(ms / dayMs);
  if (count === 0) return plural(Math.floor(ms / hourMs), 'hour');
  return plural(count, 'day');
}

function plural(count: number, unit: string): string {
  if (count === 0) return `less than an ${unit}`;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function date(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
