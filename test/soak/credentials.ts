import { createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { createAuthority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { newSigningKey, signToken, type SigningKey } from '../e2e/signed-tokens.js';
import type { Secrets } from '../support/secrets.js';

/** An authority of client certificates, and those whom it knows. */
export interface ClientAuthority {
  readonly authorityPem: string;
  readonly prometheus: IssuedCertificate;
  readonly bound: IssuedCertificate;
  readonly liveBound: IssuedCertificate;
  readonly liveSteady: IssuedCertificate;
  readonly observer: IssuedCertificate;
  readonly stranger: IssuedCertificate;
}

/** A key of service-account tokens, and one that it has signed. */
export interface AccountKey {
  readonly key: SigningKey;
  readonly token: string;
}

/** Each has the name of the one before, as those that are renewed have. */
export async function clientAuthority(secrets: Secrets): Promise<ClientAuthority> {
  const authority = await createAuthority({ commonName: 'client-ca' });
  const issue = async (commonName: string): Promise<IssuedCertificate> => {
    const pair = await authority.issue({ commonName, usage: 'clientAuth' });
    secrets.addKey(pair.privateKeyPem);
    return pair;
  };
  return {
    authorityPem: authority.certificatePem,
    prometheus: await issue('prometheus'),
    bound: await issue('bound'),
    liveBound: await issue('live-bound'),
    liveSteady: await issue('live-steady'),
    observer: await issue('observer'),
    stranger: await issue('stranger'),
  };
}

export async function accountKey(secrets: Secrets): Promise<AccountKey> {
  const key = newSigningKey();
  const token = await signToken(key, { namespace: 'monitoring', name: 'soak', uid: '1' });
  return { key, token: secrets.addSigned(token) };
}

export function publicPem({ privateKey }: SigningKey): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}

export function randomToken(): string {
  return randomBytes(24).toString('base64url');
}

export function fingerprintOf({ certificatePem }: IssuedCertificate): string {
  return new X509Certificate(certificatePem).fingerprint256;
}
