import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A PEM certificate of an RSA key, signed by another of the same kind unless it is self-signed. */
export async function rsaCertificate({
  bits,
  hash,
  isSelfSigned,
}: {
  readonly bits: number;
  readonly hash: 'SHA-1' | 'SHA-256';
  readonly isSelfSigned: boolean;
}): Promise<string> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash,
    modulusLength: bits,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  x509.cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = isSelfSigned
    ? keys
    : await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=rsa',
    issuer: isSelfSigned ? 'CN=rsa' : 'CN=issuer',
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 365 * 86_400_000),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(isSelfSigned, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}
