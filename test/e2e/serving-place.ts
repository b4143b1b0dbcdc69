import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { localAuthority } from '../support/local-authority.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

/** Files of a server on localhost whose only user may read everything, and who comes with a bearer token. */
export interface ServingPlace {
  readonly directory: TemporaryDirectory;
  readonly serving: IssuedCertificate;
  /** Of the serving certificate's authority. */
  readonly caFile: string;
  readonly certificateAuthority: string;
  readonly token: string;
  /** With the token alone, as Prometheus reads it. */
  readonly credentialsFile: string;
  /** What a filter is started with to serve so. */
  readonly flags: readonly string[];
}

export async function servingPlace(): Promise<ServingPlace> {
  const directory = temporaryDirectory();
  const { authority, serving } = await localAuthority();
  // As in test/support/filter.ts.
  const token = 'admin-token';
  return {
    directory,
    serving,
    caFile: directory.write('ca.crt', authority.certificatePem),
    certificateAuthority: authority.certificatePem,
    token,
    credentialsFile: directory.write('token', token),
    flags: [
      `--tls-cert-file=${directory.write('serving.crt', serving.certificatePem)}`,
      `--tls-private-key-file=${directory.write('serving.key', serving.privateKeyPem)}`,
      `--token-auth-file=${directory.write('tokens.csv', `${token},prometheus,1,system:masters\n`)}`,
    ],
  };
}
