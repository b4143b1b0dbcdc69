import { createAuthority, type Authority, type IssuedCertificate } from './certificate-authority.js';
import { once } from './once.js';
import type { TemporaryDirectory } from './temporary-directory.js';

/** The certificates that identities.json names. */
export interface RecordedPki {
  readonly certificates: Readonly<Record<string, IssuedCertificate>>;
  /** Flags of a server that trusts these authorities. */
  readonly flags: readonly string[];
  readonly clientCaFile: string;
  readonly serving: readonly string[];
}

const issued = once(async () => {
  const clientCa = await createAuthority({ commonName: 'client-ca' });
  const sameName = await createAuthority({ commonName: 'client-ca' });
  const proxyCa = await createAuthority({ commonName: 'request-header-ca' });
  const servingCa = await createAuthority({ commonName: 'serving-ca' });
  const client = (
    commonName: string,
    organizations: readonly string[] = [],
    authority: Authority = clientCa,
  ) => authority.issue({ commonName, organizations, usage: 'clientAuth' });
  const certificates = {
    prometheus: await client('prometheus'),
    alice: await client('alice', ['monitoring', 'team-a']),
    mallory: await client('mallory'),
    masters: await client('shard-admin', ['system:masters']),
    'kcp-admin': await client('kcp-admin', ['system:kcp:admin']),
    'wrong-ca': await client('prometheus', [], sameName),
    'server-usage': await clientCa.issue({ commonName: 'prometheus', usage: 'serverAuth' }),
    'no-cn': await clientCa.issue({ organizations: ['monitoring'], usage: 'clientAuth' }),
    expired: await clientCa.issue({
      commonName: 'prometheus',
      usage: 'clientAuth',
      notBefore: new Date(Date.now() - 7_200_000),
      notAfter: new Date(Date.now() - 3_600_000),
    }),
    'front-proxy': await client('front-proxy', [], proxyCa),
    'evil-proxy': await client('evil-proxy', [], proxyCa),
  };
  const serving = await servingCa.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return { certificates, serving, clientCa, proxyCa };
});

/** Writes what a server needs into the directory. */
export async function createRecordedPki(directory: TemporaryDirectory): Promise<RecordedPki> {
  const { certificates, serving, clientCa, proxyCa } = await issued();
  const clientCaFile = directory.write('client-ca.crt', clientCa.certificatePem);
  const servingFlags = [
    `--tls-cert-file=${directory.write('tls.crt', serving.certificatePem)}`,
    `--tls-private-key-file=${directory.write('tls.key', serving.privateKeyPem)}`,
  ];
  return {
    certificates,
    clientCaFile,
    serving: servingFlags,
    flags: [
      ...servingFlags,
      `--client-ca-file=${clientCaFile}`,
      `--requestheader-client-ca-file=${directory.write('proxy-ca.crt', proxyCa.certificatePem)}`,
      '--requestheader-allowed-names=front-proxy',
    ],
  };
}
