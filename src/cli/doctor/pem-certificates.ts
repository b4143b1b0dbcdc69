import { parseCertificateBundle } from '../../authentication/certificates/certificate-bundle.js';
import type { Certificate } from '../../authentication/certificates/certificate.js';

/** One block of a PEM file. */
export interface PlacedCertificate {
  /** From 1, in the order of the file. */
  readonly place: number;
  /** Undefined where it cannot be read. */
  readonly certificate: Certificate | undefined;
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g;

/** The certificates of a PEM text in its order, duplicates included; blocks of other kinds are passed over. */
export function pemCertificates(pem: string): readonly PlacedCertificate[] {
  return [...pem.matchAll(certificateBlock)].map(([block], at) => ({
    place: at + 1,
    certificate: readBlock(block),
  }));
}

/** As a server reads it at its start. */
function readBlock(block: string): Certificate | undefined {
  try {
    return parseCertificateBundle(block)[0];
  } catch {
    return undefined;
  }
}
