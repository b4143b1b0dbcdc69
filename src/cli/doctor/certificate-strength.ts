import type { X509Certificate } from 'node:crypto';
import type { Certificate } from '../../authentication/certificates/certificate.js';

const minRsaBits = 2048;

/** What clients of today refuse in a certificate. Nobody looks at the signature of one that signed itself. */
export function weaknessesOf({ x509, hasStrongSignature }: Certificate): readonly string[] {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  const bits = asymmetricKeyDetails?.modulusLength ?? minRsaBits;
  const isRsa = asymmetricKeyType === 'rsa' || asymmetricKeyType === 'rsa-pss';
  return [
    ...(isRsa && bits < minRsaBits ? [`has an RSA key of ${bits} bits, fewer than ${minRsaBits}`] : []),
    ...(asymmetricKeyType === 'dsa' ? ['has a DSA key'] : []),
    ...(hasStrongSignature || isSelfSigned(x509)
      ? []
      : ['is signed with SHA-1 or another algorithm that clients refuse']),
  ];
}

/** Whether its own key signed it, and not only its own name stands there as the issuer's. */
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
