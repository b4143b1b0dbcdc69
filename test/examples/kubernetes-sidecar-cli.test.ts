import { request } from 'node:https';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Authority } from '../support/certificate-authority.js';
import type { Listening } from '../support/listening.js';
import { ReviewServer } from '../support/review-server.js';
import { RootServer, type SentObject } from '../support/root-server.js';
import { startCli, type StartedServer } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { manifestsIn, sidecar, startShop } from './kubernetes-sidecar.js';

const account = (name: string) => ({
  username: `system:serviceaccount:monitoring:${name}`,
  uid: `uid-of-${name}`,
  groups: ['system:serviceaccounts', 'system:serviceaccounts:monitoring', 'system:authenticated'],
});

/** The container's own arguments, with files of a test in place of those of a cluster. */
describe('the container of the sidecar example', () => {
  const directory = temporaryDirectory();
  let shop: Listening & { readonly exposition: () => Promise<string> };
  let root: RootServer;
  let reviewer: ReviewServer;
  let authority: Authority;
  let filter: StartedServer | undefined;

  beforeAll(async () => {
    [shop, root, reviewer, authority] = await Promise.all([
      startShop(),
      RootServer.start(),
      ReviewServer.start(),
      createAuthority({ commonName: 'shop-metrics-client-ca' }),
    ]);
    for (const object of manifestsIn('rbac.yaml')) {
      const sent = {
        ...object,
        metadata: { ...object.metadata, uid: object.metadata.name, resourceVersion: '' },
      };
      if (object.kind === 'ClusterRole') root.put('clusterroles', sent satisfies SentObject);
      if (object.kind === 'ClusterRoleBinding') root.put('clusterrolebindings', sent satisfies SentObject);
    }
    reviewer.script = ({ spec }) => {
      const name = /^token-of-(.*)$/.exec(String(spec['token']))?.[1];
      return {
        status:
          name === undefined
            ? { authenticated: false }
            : { authenticated: true, user: account(name), audiences: spec['audiences'] },
      };
    };
  });
  afterEach(async () => {
    expect(await filter?.stop()).toBe(0);
  });

  async function startSidecar(): Promise<StartedServer> {
    const serving = await authority.issue({ usage: 'serverAuth', dnsNames: ['shop-metrics.shop.svc'] });
    const elsewhere: Readonly<Record<string, string>> = {
      '--tls-cert-file': directory.write('tls.crt', serving.certificatePem),
      '--tls-private-key-file': directory.write('tls.key', serving.privateKeyPem),
      '--upstream': `http://127.0.0.1:${shop.port}/metrics`,
      '--authentication-kubeconfig': reviewer.kubeconfig,
      '--client-ca-file': directory.write('ca.crt', authority.certificatePem),
      '--root-kubeconfig': root.kubeconfig,
    };
    const [, ...flags] = sidecar().args;
    filter = await startCli(
      flags
        .filter((flag) => !/^--(?:bind-address|secure-port)=/.test(flag))
        .map((flag) => {
          const [name = ''] = flag.split('=');
          return elsewhere[name] === undefined ? flag : `${name}=${elsewhere[name]}`;
        }),
    );
    return filter;
  }

  function get(
    { port }: StartedServer,
    path: string,
    options: { readonly token?: string; readonly cert?: string; readonly key?: string } = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { token, ...pair } = options;
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port,
          path,
          agent: false,
          ca: authority.certificatePem,
          servername: 'shop-metrics.shop.svc',
          headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
          ...pair,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => {
            resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
          });
          answer.on('error', reject);
        },
      );
      asked.on('error', reject);
      asked.end();
    });
  }

  it('guards the application’s metrics', async () => {
    const server = await startSidecar();
    const { certificatePem: cert, privateKeyPem: key } = await authority.issue({
      commonName: 'prometheus',
      usage: 'clientAuth',
    });
    await expect.poll(async () => (await get(server, '/readyz')).status, { timeout: 10_000 }).toBe(200);
    expect((await get(server, '/metrics')).status).toBe(401);
    expect((await get(server, '/metrics', { token: 'nobodys' })).status).toBe(401);
    expect((await get(server, '/metrics', { token: 'token-of-mallory' })).status).toBe(403);
    expect(shop.connections()).toBe(0);
    const byToken = await get(server, '/metrics', { token: 'token-of-prometheus' });
    expect(byToken).toEqual({ status: 200, body: await shop.exposition() });
    expect(await get(server, '/metrics', { cert, key })).toEqual(byToken);
    const own = await get(server, '/metrics/filter', { token: 'token-of-prometheus' });
    expect(own.status).toBe(200);
    expect(own.body).toContain('kcp_metrics_filter_scrape_duration_seconds');
    expect((await get(server, '/metrics/filter', { token: 'token-of-mallory' })).status).toBe(403);
    expect(reviewer.reviews.map(({ spec }) => spec['audiences'])).toEqual(
      reviewer.reviews.map(() => ['shop-metrics']),
    );
    expect(server.log()).not.toContain('token-of-');
  });
});
