import { parseCertificateBundle } from '../../authentication/certificates/certificate.js';
import type { Certificate } from '../../authentication/certificates/certificate.js';
import { certificateBlocks } from '../../files/pem.js';

/** One block of a PEM file. */
export interface PlacedCertificate {
  /** From 1, in the order of the file. */
  readonly place: number;
  /** Undefined where it cannot be read. */
  readonly certificate: Certificate | undefined;
}

/** The certificates of a PEM text in its order, duplicates included; blocks of other kinds are passed over. */
export function pemCertificates(pem: string): readonly PlacedCertificate[] {
  return certificateBlocks(pem).map((block, at) => ({
    place: at + 1,
    certificate: readBlock(block.pem),
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
