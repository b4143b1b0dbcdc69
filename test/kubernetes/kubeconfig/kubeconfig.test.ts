import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FilesRead } from '../../../src/files/files-read.js';
import { readKubeconfig, type Kubeconfig } from '../../../src/kubernetes/kubeconfig/kubeconfig.js';
import { createAuthority } from '../../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { base64, kubeconfigText } from '../kubeconfig-text.js';

const secret = 'S3cr3tMarker';
const server = 'https://127.0.0.1:6443';

const directory = temporaryDirectory();

const ca = await createAuthority({ commonName: 'ca' });
const authority = ca;
const alice = await ca.issue({ commonName: 'alice', usage: 'clientAuth' });

function read(text: string): Promise<Kubeconfig> {
  return readKubeconfig(directory.write('kubeconfig', text), new FilesRead());
}

const withUser = (user: Readonly<Record<string, unknown>>): string =>
  kubeconfigText({ cluster: { server }, user });

describe('a kubeconfig', () => {
  it('gives its current context', async () => {
    expect(await read(withUser({ token: secret }))).toEqual({
      cluster: { server, insecureSkipTlsVerify: false },
      user: { credentials: { kind: 'token', token: secret } },
    });
  });

  it('may be YAML, with anchors, unknown fields and other contexts that are broken', async () => {
    const text = `
# written by hand
apiVersion: v1
kind: Config
preferences: {}
current-context: a
x-common: &common { server: "${server}/clusters/root/" }
clusters:
  - { name: c, cluster: { <<: *common, tls-server-name: kcp.example, disable-compression: true } }
  - { name: broken, cluster: { server: 5 } }
contexts: [{ name: a, context: { cluster: c, user: u, namespace: default } }]
users: [{ name: u, user: { username: joe, password: "${secret}", as: alice } }, { name: v, user: { exec: 5 } }]
`;
    expect(await read(text)).toEqual({
      cluster: {
        server: `${server}/clusters/root`,
        tlsServerName: 'kcp.example',
        insecureSkipTlsVerify: false,
      },
      user: { credentials: { kind: 'basic', username: 'joe', password: secret }, impersonatedUser: 'alice' },
    });
  });

  it('has no credentials where its context has no user, or the user has nothing', async () => {
    const none = { credentials: { kind: 'none' } };
    expect((await read(kubeconfigText({ cluster: { server } }))).user).toEqual(none);
    expect((await read(withUser({}))).user).toEqual(none);
    expect((await read(withUser({ token: '', as: '', 'as-groups': [], exec: null }))).user).toEqual(none);
  });

  it('names files from its own directory', async () => {
    mkdirSync(join(directory.path, 'keys'));
    directory.write('keys/ca.crt', authority.certificatePem);
    directory.write('keys/tls.crt', alice.certificatePem);
    directory.write('keys/tls.key', alice.privateKeyPem);
    const text = kubeconfigText({
      cluster: { server, 'certificate-authority': 'keys/ca.crt' },
      user: { 'client-certificate': './keys/tls.crt', 'client-key': join(directory.path, 'keys/tls.key') },
    });
    expect(await read(text)).toMatchObject({
      cluster: { authorities: authority.certificatePem },
      user: { clientCertificate: { certificate: alice.certificatePem, privateKey: alice.privateKeyPem } },
    });
  });

  it('prefers data to files, and a token file to a token, as client-go does', async () => {
    directory.write('token', ` ${secret}-of-the-file\r\n`);
    const text = kubeconfigText({
      cluster: {
        server,
        'certificate-authority': 'missing',
        'certificate-authority-data': base64(authority.certificatePem),
      },
      user: { token: secret, tokenFile: 'token' },
    });
    expect(await read(text)).toMatchObject({
      cluster: { authorities: authority.certificatePem },
      user: { credentials: { token: `${secret}-of-the-file` } },
    });
  });

  it('finds exec plugins in PATH, or from its own directory', async () => {
    const plugin = join(directory.path, 'plugin');
    writeFileSync(plugin, '#!/bin/sh\n', { mode: 0o755 });
    const commandOf = async (fields: object): Promise<unknown> => {
      const { credentials } = (
        await read(withUser({ exec: { apiVersion: 'client.authentication.k8s.io/v1', ...fields } }))
      ).user;
      return credentials.kind === 'exec' ? credentials.plugin.command : undefined;
    };
    expect(await commandOf({ command: './plugin' })).toBe(plugin);
    expect(await commandOf({ command: 'sh' })).toMatch(/^\/.*\/sh$/);
    expect(await commandOf({ command: 'plugin', env: [{ name: 'PATH', value: directory.path }] })).toBe(
      plugin,
    );
  });
});
