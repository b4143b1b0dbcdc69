import { certificateBlocks } from '../../files/pem.js';
import { parseCertificate, type Certificate } from './certificate.js';

/** A file of authorities that cannot be used; the message says which certificate in it, by its place. */
export class CertificateBundleError extends Error {
  override readonly name = 'CertificateBundleError';
  readonly code = 'ERR_CERTIFICATE_BUNDLE';
}

/**
 * The certificates of a PEM bundle (RFC 7468), each once; text and blocks of other kinds are passed over.
 *
 * @throws CertificateBundleError when there is no certificate, or one that cannot be read.
 */
export function parseCertificateBundle(pem: string | Uint8Array): readonly Certificate[] {
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const certificates = new Map<string, Certificate>();
  for (const [index, { base64, isComplete }] of certificateBlocks(text).entries()) {
    const place = index + 1;
    if (!isComplete) {
      throw new CertificateBundleError(`certificate ${place} of the PEM bundle has no end`);
    }
    const certificate = parseCertificate(Buffer.from(base64, 'base64'));
    if (certificate === undefined) {
      throw new CertificateBundleError(`certificate ${place} of the PEM bundle cannot be read`);
    }
    certificates.set(certificate.sha256Hex, certificate);
  }
  if (certificates.size === 0) throw new CertificateBundleError('the PEM bundle holds no certificate');
  return [...certificates.values()];
}
