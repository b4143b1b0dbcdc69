import { randomBytes } from 'node:crypto';
import { createAuthority, type Authority, type IssuedCertificate } from '../../pki/throwaway-pki.js';
import type { DemoFolder } from './folder.js';

/** Who asks, and what he shows; without certificate and token he is anonymous. */
export interface Caller {
  readonly label: string;
  readonly certificate?: IssuedCertificate;
  readonly token?: string;
}

export interface Credentials {
  /** The authority of the servers' certificate, for clients. */
  readonly servingCa: string;
  /** Files for the servers' flags. */
  readonly files: {
    readonly tlsCertFile: string;
    readonly tlsPrivateKeyFile: string;
    readonly clientCaFile: string;
    readonly tokenAuthFile: string;
  };
  readonly callers: Callers;
}

type Callers = Readonly<
  Record<
    | 'prometheus'
    | 'alice'
    | 'bob'
    | 'mallory'
    | 'admin'
    | 'impostor'
    | 'prometheusToken'
    | 'unknownToken'
    | 'anonymous',
    Caller
  >
>;

/** Issues everything on the spot and writes it into the folder: a caller's certificate as `<caller>.crt`. */
export async function createCredentials(folder: DemoFolder): Promise<Credentials> {
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
    commonName: string,
    { organizations = [], authority = clientCa, remark = '' }: CertificateCaller = {},
  ): Promise<Caller> => {
    const certificate = await authority.issue({ commonName, organizations, usage: 'clientAuth' });
    folder.write(`${file}.crt`, certificate.certificatePem);
    folder.write(`${file}.key`, certificate.privateKeyPem);
    const groups = organizations.map((name) => ` O=${name}`).join('');
    return { label: `certificate CN=${commonName}${groups}${remark}`, certificate };
  };
  const token = randomToken();
  folder.write('token', token);
  const files = {
    tlsCertFile: folder.write('serving.crt', serving.certificatePem),
    tlsPrivateKeyFile: folder.write('serving.key', serving.privateKeyPem),
    clientCaFile: folder.write('client-ca.crt', clientCa.certificatePem),
    tokenAuthFile: folder.write('tokens.csv', `${token},prometheus,1\n`),
  };
  const callers: Callers = {
    prometheus: await withCertificate('prometheus', 'prometheus'),
    alice: await withCertificate('alice', 'alice', { organizations: ['monitoring'] }),
    bob: await withCertificate('bob', 'bob'),
    mallory: await withCertificate('mallory', 'mallory'),
    admin: await withCertificate('admin', 'admin', { organizations: ['system:masters'] }),
    impostor: await withCertificate('impostor', 'prometheus', { authority: otherCa, remark: ', another CA' }),
    prometheusToken: { label: 'token of prometheus', token },
    unknownToken: { label: 'token that nobody has', token: randomToken() },
    anonymous: { label: 'nobody: no credentials' },
  };
  return { servingCa: servingCa.certificatePem, files, callers };
}

interface CertificateCaller {
  readonly organizations?: readonly string[];
  readonly authority?: Authority;
  readonly remark?: string;
}

function randomToken(): string {
  return randomBytes(24).toString('base64url');
}
