import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type Authority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';

/** Who has a bearer token at every control plane that knows tokens (kcp's cache server does not). */
export type TokenUser = 'watcher' | 'stranger';

/** Files for an API server's flags, and what its clients need. */
export interface ControlPlanePki {
  readonly files: PkiFiles;
  /** In system:masters. */
  readonly admin: IssuedCertificate;
  readonly tokens: Readonly<Record<TokenUser, string>>;
  /** A client certificate that the server believes. */
  issueClient(user: string, groups: readonly string[]): Promise<IssuedCertificate>;
  /** Every authority of the serving certificate that there has been, PEM: for clients that have to go on. */
  servingAuthorities(): readonly string[];
  /** Writes another certificate and key to serve with, of a new authority where `newCa` says so. */
  renewServing(newCa: boolean): Promise<IssuedCertificate>;
  /** Writes the authority of the certificate that is served now. */
  publishServingAuthority(): void;
}

export interface PkiFiles {
  /** The authority of the serving certificate. */
  readonly servingCa: string;
  readonly servingCertificate: string;
  readonly servingKey: string;
  readonly clientCa: string;
  readonly adminCertificate: string;
  readonly adminKey: string;
  readonly tokens: string;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
}

/** Keys and certificates that were made on the spot, in the directory. */
export async function createControlPlanePki(directory: string): Promise<ControlPlanePki> {
  const write = (name: string, text: string): string => writeFileAtOnce(join(directory, name), text);
  const clientAuthority = await createAuthority({ commonName: 'client-ca' });
  const issueClient = (user: string, groups: readonly string[]): Promise<IssuedCertificate> =>
    clientAuthority.issue({ commonName: user, organizations: groups, usage: 'clientAuth' });
  const admin = await issueClient('e2e-admin', ['system:masters']);
  const tokens = { watcher: randomToken(), stranger: randomToken() };
  const serviceAccount = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

  // Named apart: whoever trusts both finds the one that has signed by its name.
  const createServingAuthority = (generation: number): Promise<Authority> =>
    createAuthority({ commonName: `serving-ca-${generation}` });
  let servingAuthority = await createServingAuthority(1);
  const servingAuthorities = [servingAuthority.certificatePem];
  const serving = await issueServing(servingAuthority);
  const files: PkiFiles = {
    servingCa: write('serving-ca.crt', servingAuthority.certificatePem),
    servingCertificate: write('serving.crt', serving.certificatePem),
    servingKey: write('serving.key', serving.privateKeyPem),
    clientCa: write('client-ca.crt', clientAuthority.certificatePem),
    adminCertificate: write('admin.crt', admin.certificatePem),
    adminKey: write('admin.key', admin.privateKeyPem),
    tokens: write('tokens.csv', `${tokens.watcher},watcher,1\n${tokens.stranger},stranger,2\n`),
    serviceAccountKey: write('service-account.key', serviceAccount.privateKey),
    serviceAccountPublicKey: write('service-account.pub', serviceAccount.publicKey),
  };
  return {
    files,
    admin,
    tokens,
    issueClient,
    servingAuthorities: () => servingAuthorities,
    async renewServing(newCa) {
      if (newCa) {
        servingAuthority = await createServingAuthority(servingAuthorities.length + 1);
        servingAuthorities.push(servingAuthority.certificatePem);
      }
      const renewed = await issueServing(servingAuthority);
      writeFileAtOnce(files.servingKey, renewed.privateKeyPem);
      writeFileAtOnce(files.servingCertificate, renewed.certificatePem);
      return renewed;
    },
    publishServingAuthority() {
      writeFileAtOnce(files.servingCa, servingAuthority.certificatePem);
    },
  };
}

function issueServing(authority: Authority): Promise<IssuedCertificate> {
  return authority.issue({
    commonName: 'api-server',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
}

/** Renamed into place, so that nobody who watches the file reads half of it. */
function writeFileAtOnce(file: string, text: string): string {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}

function randomToken(): string {
  return randomBytes(24).toString('base64url');
}
