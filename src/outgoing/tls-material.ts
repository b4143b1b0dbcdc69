import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { certificateBlocks } from '../files/pem.js';

/** PEM; intermediates follow the certificate. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** What is wrong with a PEM bundle of authorities; undefined if it can be used. */
export function authoritiesFault(pem: string): string | undefined {
  return unreadable(pem) ?? unusable({ ca: pem });
}

/** What is wrong with a PEM client certificate and its intermediates; undefined if it can be used. */
export function certificateFault(pem: string): string | undefined {
  return unreadable(pem) ?? unusable({ cert: pem });
}

/** What is wrong with the PEM private key of a usable client certificate. */
export function privateKeyFault(certificatePem: string, keyPem: string): string | undefined {
  try {
    const key = createPrivateKey(keyPem);
    const [leaf] = certificatesIn(certificatePem);
    if (leaf?.checkPrivateKey(key) !== true) return 'does not belong to the certificate';
  } catch {
    return 'holds no PEM private key without passphrase';
  }
  return unusable({ cert: certificatePem, key: keyPem });
}

/** OpenSSL skips what it cannot read, and would then silently trust no authority. */
function unreadable(pem: string): string | undefined {
  try {
    return certificatesIn(pem).length === 0 ? 'holds no PEM certificate' : undefined;
  } catch {
    return 'holds a certificate that cannot be read';
  }
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  return certificateBlocks(pem).map((block) => new X509Certificate(block.pem));
}

function unusable(material: SecureContextOptions): string | undefined {
  try {
    createSecureContext(material);
    return undefined;
  } catch {
    return 'is not accepted by OpenSSL';
  }
}
