import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createAuthority, type IssuedCertificate } from '../../pki/throwaway-pki.js';
import { usageError } from '../../options/usage-error.js';

export type DemoFolder = ReturnType<typeof createDemoFolder>;

/**
 * A folder of this user alone, for keys and tokens that must not outlive the process.
 * @throws UsageError when there is no place.
 */
export function createDemoFolder() {
  let path: string;
  try {
    // mkdtemp creates it with mode 0700.
    path = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-demo-'));
  } catch (error) {
    throw usageError('TMPDIR', error);
  }
  const close = (): void => {
    process.off('exit', close);
    // Retried, since a server may be writing into it just now.
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  };
  // An uncaught error ends the process without running any other cleanup.
  process.once('exit', close);
  return {
    path,
    /** Writes a file that only this user can read; returns its path. */
    write(name: string, text: string) {
      const file = join(path, name);
      mkdirSync(dirname(file), { mode: 0o700, recursive: true });
      writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
      return file;
    },
    close,
  };
}

/** A client and its credentials; without certificate and token it is anonymous. */
export interface Caller {
  readonly label: string;
  readonly certificate?: IssuedCertificate;
  readonly token?: string;
}

export type Credentials = Awaited<ReturnType<typeof createCredentials>>;

/** Issues all keys and certificates and writes them into the folder: a caller's certificate as `<caller>.crt`. */
export async function createCredentials(folder: DemoFolder) {
  const [servingCa, clientCa, otherCa] = await Promise.all([
    createAuthority({ commonName: 'demo serving CA' }),
    createAuthority({ commonName: 'demo client CA' }),
    // Named like the real one: only its signature tells them apart.
    createAuthority({ commonName: 'demo client CA' }),
  ]);
  const serving = await servingCa.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  folder.write('ca.crt', servingCa.certificatePem);

  const withCertificate = async (
    file: string,
    { commonName = file, groups = [] as readonly string[], authority = clientCa, remark = '' } = {},
  ): Promise<Caller> => {
    const subject = { commonName, organizations: groups };
    const certificate = await authority.issue({ ...subject, usage: 'clientAuth' });
    folder.write(`${file}.crt`, certificate.certificatePem);
    folder.write(`${file}.key`, certificate.privateKeyPem);
    const named = [`CN=${commonName}`, ...groups.map((name) => `O=${name}`)].join(' ');
    return { label: `certificate ${named}${remark}`, certificate };
  };
  const randomToken = (): string => randomBytes(24).toString('base64url');
  const token = randomToken();
  folder.write('token', token);
  const files = {
    tlsCertFile: folder.write('serving.crt', serving.certificatePem),
    tlsPrivateKeyFile: folder.write('serving.key', serving.privateKeyPem),
    clientCaFile: folder.write('client-ca.crt', clientCa.certificatePem),
    tokenAuthFile: folder.write('tokens.csv', `${token},prometheus,1\n`),
  };
  const callers = {
    prometheus: await withCertificate('prometheus'),
    alice: await withCertificate('alice', { groups: ['monitoring'] }),
    bob: await withCertificate('bob'),
    mallory: await withCertificate('mallory'),
    admin: await withCertificate('admin', { groups: ['system:masters'] }),
    impostor: await withCertificate('impostor', {
      commonName: 'prometheus',
      authority: otherCa,
      remark: ', another CA',
    }),
    prometheusToken: { label: 'token of prometheus', token },
    unknownToken: { label: 'unknown token', token: randomToken() },
    anonymous: { label: 'nobody: no credentials' },
  };
  return { servingCa: servingCa.certificatePem, files, callers };
}
