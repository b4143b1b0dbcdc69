import fc from 'fast-check';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { FilesRead } from '../../../src/files/files-read.js';
import { inCluster, type Pod } from '../../../src/kubernetes/kubeconfig/in-cluster.js';
import { openApiClientIn } from '../../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { readKubeconfig } from '../../../src/kubernetes/kubeconfig/kubeconfig.js';
import { KubeconfigError } from '../../../src/kubernetes/kubernetes-errors.js';
import { ask, createApiSetting, type ApiSetting } from '../api-setting.js';

let setting: ApiSetting;
let pod: Pod;

beforeEach(async () => {
  setting = await createApiSetting();
  setting.directory.write('token', 'one\n');
  setting.directory.write('ca.crt', setting.authority.certificatePem);
  pod = podOf({ KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' });
});

function podOf(environment: Pod['environment']): Pod {
  return { directory: setting.directory.path, environment };
}

const read = (from = pod) => readKubeconfig(inCluster, new FilesRead(), from);

describe('in-cluster', () => {
  it.each([
    ['10.0.0.1', '443', 'https://10.0.0.1:443'],
    ['fd00::1', '6443', 'https://[fd00::1]:6443'],
    ['kubernetes.default.svc', '443', 'https://kubernetes.default.svc:443'],
  ])('is the API server at %s and port %s, with the token and the authorities of the pod', async (...row) => {
    const [host, port, server] = row;
    expect(await read(podOf({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }))).toEqual({
      cluster: {
        server,
        authorities: setting.authority.certificatePem,
        tlsServerName: undefined,
        insecureSkipTlsVerify: false,
        proxyUrl: undefined,
      },
      user: { credentials: { kind: 'token', token: 'one' } },
    });
  });

  it('has its token and authorities read again as they are rotated, over the same connection', async () => {
    const server = await setting.startServer();
    const { port } = new URL(server.url);
    const warnings: string[] = [];
    const client = await openApiClientIn(
      podOf({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port }),
      { kubeconfig: inCluster, onWarning: (message) => warnings.push(message) },
    );
    try {
      await ask(client);
      setting.directory.write('token', 'two');
      await ask(client);
      rmSync(join(pod.directory, 'token'));
      await ask(client);
      setting.directory.write('token', 'three');
      await ask(client);
    } finally {
      client.close();
    }
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(
      ['one', 'two', 'two', 'three'].map((token) => `Bearer ${token}`),
    );
    expect(new Set(server.requests.map(({ connection }) => connection)).size).toBe(1);
    expect(warnings).toEqual([
      `in-cluster: ${join(pod.directory, 'token')} cannot be read: ENOENT; the version before stays in use`,
    ]);
  });

  const serving = (host: string, port: string) => ({
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: port,
  });
  it.each<readonly [environment: Pod['environment'], files: Readonly<Record<string, string>>, RegExp]>([
    [{}, {}, /^in-cluster: KUBERNETES_SERVICE_HOST is not set, as it is in a pod$/],
    [
      { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
      {},
      /^in-cluster: KUBERNETES_SERVICE_PORT is not set, as it is in a pod$/,
    ],
    [serving('a/b', '1'), {}, /_HOST is neither a host name nor/],
    [serving('a@b', '1'), {}, /_HOST is neither a host name nor/],
    [serving('a', '70000'), {}, /_PORT is not a port$/],
    [serving('a', 'tcp://a:1'), {}, /_PORT is not a port$/],
    [serving('a', '1'), { token: '' }, /\/token holds no token$/],
    [serving('a', '1'), { token: 'a\nb' }, /\/token holds no/],
    [serving('a', '1'), { 'ca.crt': '' }, /\/ca\.crt .*cert/],
  ])('is refused in one line: %j with %j', async (environment, files, message) => {
    for (const [name, text] of Object.entries(files)) setting.directory.write(name, text);
    await expect(read(podOf(environment))).rejects.toThrow(message);
  });

  it.each(['token', 'ca.crt'])('is refused without %s', async (name) => {
    rmSync(join(pod.directory, name));
    await expect(read()).rejects.toThrow(`in-cluster: ${join(pod.directory, name)} cannot be read: ENOENT`);
  });

  it('is never more than host and port, whatever the environment says, nor repeats it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (host, port) => {
        const environment = serving(`x${host}`, `1${port}`);
        try {
          const { cluster } = await read(podOf(environment));
          const url = new URL(cluster.server);
          expect([url.pathname, url.search, url.username]).toEqual(['/', '', '']);
        } catch (error) {
          expect(error).toBeInstanceOf(KubeconfigError);
          expect((error as Error).message).toMatch(/^in-cluster: KUBERNETES_SERVICE_[A-Z]+ is [\w ,]+$/);
        }
      }),
    );
  });

  it('is no file: ./in-cluster is', async () => {
    await expect(readKubeconfig('./in-cluster', new FilesRead(), pod)).rejects.toThrow(
      './in-cluster: cannot be read: ENOENT',
    );
  });
});
