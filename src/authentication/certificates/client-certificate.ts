import { none, refused, type Authentication, type Authenticator } from '../authenticator.js';
import { credentialIdKey, frozenIdentity, type Identity } from '../identity.js';
import type { CertificateVerifier, VerifiedCertificate } from './certificate-verifier.js';
import { checkOptions, having, oneOf, optional } from '../../option-checks.js';

export interface ClientCertificateOptions {
  readonly verifier: Pick<CertificateVerifier, 'verify'>;
  /** A certificate that is invalid or has no user name: `refuse` it (default), or `ignore` it, as cache servers do. */
  readonly unverified?: 'refuse' | 'ignore';
}

/** Kubernetes' x509 authenticator: the subject's CN is the name, its O values are the groups. */
export function clientCertificateAuthenticator(options: ClientCertificateOptions): Authenticator {
  checkOptions(options, {
    verifier: having('createCertificateVerifier({ authorities })', 'verify'),
    unverified: optional(oneOf('refuse', 'ignore')),
  });
  const { verifier, unverified = 'refuse' } = options;
  const authentications = new WeakMap<VerifiedCertificate, Authentication>();
  const unverifiedFor = (reason: string): Authentication =>
    unverified === 'ignore' ? none : refused(reason);
  return {
    name: 'client-certificate',
    authenticate({ peerCertificates }) {
      if (peerCertificates === undefined) return none;
      const verification = verifier.verify(peerCertificates);
      if (verification.kind === 'refused') return unverifiedFor(verification.reason);
      let authentication = authentications.get(verification);
      if (authentication === undefined) {
        authentication =
          verification.commonName === ''
            ? unverifiedFor('certificate has no common name')
            : Object.freeze({ kind: 'authenticated', identity: identityOf(verification) });
        authentications.set(verification, authentication);
      }
      return authentication;
    },
  };
}

function identityOf({ commonName, organizations, sha256Hex }: VerifiedCertificate): Identity {
  const extra = [[credentialIdKey, [`X509SHA256=${sha256Hex}`]]] as const;
  return frozenIdentity(commonName, organizations, undefined, extra);
}
