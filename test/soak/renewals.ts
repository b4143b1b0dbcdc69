import type { Authority, IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import type { OpenIdProvider } from '../support/openid-provider.js';
import type { TemporaryDirectory } from '../support/temporary-directory.js';
import { fingerprintOf } from './credentials.js';
import { Expected } from './expected.js';
import { publish } from './files.js';
import type { Secrets } from '../support/secrets.js';

/** What the filter serves TLS with. */
export interface ServingPairs {
  /** Its SHA-256, by `fingerprint256`. */
  readonly servedCertificate: Expected<string>;
  readonly rotateServing: () => Promise<void>;
}

export async function servingPairs(
  authority: Authority,
  directory: TemporaryDirectory,
  secrets: Secrets,
): Promise<ServingPairs> {
  const issue = async (): Promise<IssuedCertificate> => {
    const pair = await authority.issue({
      commonName: 'localhost',
      usage: 'serverAuth',
      dnsNames: ['localhost'],
    });
    secrets.addKey(pair.privateKeyPem);
    return pair;
  };
  // One after the other, as they are: for a moment the key is not the certificate's.
  const write = ({ certificatePem, privateKeyPem }: IssuedCertificate): void => {
    publish(directory, 'tls.crt', certificatePem);
    publish(directory, 'tls.key', privateKeyPem);
  };
  const first = await issue();
  write(first);
  const servedCertificate = new Expected(fingerprintOf(first));
  return {
    servedCertificate,
    async rotateServing() {
      const pair = await issue();
      await servedCertificate.turnsTo(fingerprintOf(pair), () => {
        write(pair);
      });
    },
  };
}

/** What the OpenID provider signs. */
export interface IdTokens {
  /** Signed with the provider's newest key. */
  readonly idToken: () => string;
  readonly rotateProviderKeys: () => Promise<void>;
}

export async function idTokens(provider: OpenIdProvider, secrets: Secrets): Promise<IdTokens> {
  const sign = async (): Promise<string> => {
    const now = Math.floor(Date.now() / 1_000);
    const { issuerUrl: iss, clientId: aud } = provider;
    return secrets.addSigned(await provider.sign({ iss, aud, sub: 'steady', iat: now, exp: now + 3_600 }));
  };
  let token = await sign();
  return {
    idToken: () => token,
    async rotateProviderKeys() {
      await provider.rotateKeys();
      token = await sign();
    },
  };
}
