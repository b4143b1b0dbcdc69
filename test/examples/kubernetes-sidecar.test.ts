import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { thisPod } from '../../src/kubernetes/kubeconfig/in-cluster.js';
import { openApiClientIn } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { startOptions } from '../../src/options/start-topics.js';
import { upstreamExposition } from '../../src/exposition/sources/upstream/upstream.js';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { listenFilter, scrape } from '../exposition/sources/upstream/upstream-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { repository } from './commands.js';
import {
  deployment,
  manifest,
  manifestFiles,
  manifestsIn,
  readExample,
  sidecar,
  startShop,
  type Manifest,
} from './kubernetes-sidecar.js';

const known: ReadonlySet<string> = new Set(startOptions.map(({ name }) => name));

/** What `kube-rbac-proxy --help` of 0.21 lists, and the flags for logs that it takes and does not list. */
const kubeRbacProxyFlags = `
  allow-paths auth-header-fields-enabled auth-header-groups-field-name auth-header-groups-field-separator
  auth-header-user-field-name auth-token-audiences client-ca-file config-file http2-disable
  http2-max-concurrent-streams http2-max-size ignore-paths insecure-listen-address kube-api-burst kube-api-qps
  kubeconfig oidc-ca-file oidc-clientID oidc-groups-claim oidc-groups-prefix oidc-issuer oidc-sign-alg
  oidc-username-claim oidc-username-prefix proxy-endpoints-port secure-listen-address tls-cert-file
  tls-cipher-suites tls-min-version tls-private-key-file tls-reload-interval upstream upstream-ca-file
  upstream-client-cert-file upstream-client-key-file upstream-force-h2c
  v vmodule log-flush-frequency add-dir-header alsologtostderr log-backtrace-at log-dir log-file
  log-file-max-size logtostderr one-output skip-headers skip-log-headers stderrthreshold`
  .trim()
  .split(/\s+/)
  .map((name) => `--${name}`);

const readme = readExample('README.md');
const page = readFileSync(join(repository, 'docs/migrating-from-kube-rbac-proxy.md'), 'utf8');
const rows = [...page.matchAll(/^\| (`--.*?) \| (.*?) ?\| (.*) \|$/gm)].map(
  ([, theirs = '', ours = '', remark = '']) => ({ theirs: flagsIn(theirs), ours: flagsIn(ours), remark }),
);

function flagsIn(text: string): readonly string[] {
  return text.match(/(?<![\w-])--[a-zA-Z][a-zA-Z0-9-]*/g) ?? [];
}

describe('the manifests of the sidecar', () => {
  it.each(manifestFiles)('%s holds objects with a name', (file) => {
    for (const { apiVersion, kind, metadata } of manifestsIn(file)) {
      expect([apiVersion, kind, metadata.name]).toEqual([
        expect.stringMatching(/^(?:[a-z0-9.]+\/)?v\d/),
        expect.stringMatching(/^[A-Z]\w+$/),
        expect.stringMatching(/^[a-z]/),
      ]);
    }
  });

  it('are of these kinds', () => {
    const kinds = manifestFiles.flatMap(manifestsIn).map(({ apiVersion, kind }) => `${apiVersion} ${kind}`);
    expect(kinds).toEqual([
      'apps/v1 Deployment',
      'v1 Service',
      'v1 ServiceAccount',
      'rbac.authorization.k8s.io/v1 ClusterRole',
      'rbac.authorization.k8s.io/v1 ClusterRoleBinding',
      'rbac.authorization.k8s.io/v1 ClusterRole',
      'rbac.authorization.k8s.io/v1 ClusterRoleBinding',
      'monitoring.coreos.com/v1 ServiceMonitor',
    ]);
  });

  it('fit together: accounts, volumes, ports, roles', () => {
    const { serviceAccountName, volumes } = deployment().spec.template.spec;
    expect(manifest('rbac.yaml', 'ServiceAccount').metadata.name).toBe(serviceAccountName);
    const { volumeMounts, ports, args } = sidecar();
    expect(volumeMounts.map(({ name }) => name).sort()).toEqual(volumes.map(({ name }) => name).sort());
    const files = args.flatMap((argument) => /=(\/.*)$/.exec(argument)?.[1] ?? []);
    const mounted = files.filter((file) =>
      volumeMounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`)),
    );
    expect(files).toHaveLength(3);
    expect(mounted).toEqual(files);
    expect(args).toContain(`--secure-port=${ports[0]?.containerPort ?? 0}`);
    const roles = manifestsIn('rbac.yaml').filter(({ kind }) => kind === 'ClusterRole');
    const bound = manifestsIn('rbac.yaml')
      .filter(({ kind }) => kind === 'ClusterRoleBinding')
      .map((binding) => (binding as Manifest & { roleRef: { name: string } }).roleRef.name);
    expect(bound).toEqual(roles.map(({ metadata }) => metadata.name));
  });

  it('mount what in-cluster means, for the filter alone', async () => {
    const pod = deployment().spec.template.spec;
    const name = sidecar().volumeMounts.find(({ mountPath }) => mountPath === thisPod.directory)?.name;
    const others = pod.containers.filter((container) => container.name !== 'kcp-metrics-filter');
    expect(
      others.flatMap(({ volumeMounts = [] }) => volumeMounts.filter((one) => one.name === name)),
    ).toEqual([]);
    const volume = JSON.stringify(pod.volumes.find((candidate) => candidate.name === name));
    const directory = temporaryDirectory();
    const files = [...volume.matchAll(/"path":"([^"]+)"/g)].map(([, file = '']) => file);
    const { certificatePem } = await createAuthority({ commonName: 'kube-root-ca' });
    for (const file of files) {
      directory.write(file, file === 'token' ? 'token-of-the-filter\n' : certificatePem);
    }
    const environment = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };
    const client = await openApiClientIn(
      { directory: directory.path, environment },
      { kubeconfig: 'in-cluster' },
    );
    expect(client.server).toBe('https://10.0.0.1:443');
    client.close();
  });
});

describe('the flags of the sidecar', () => {
  it('exist, and each is given once', () => {
    const [subcommand, ...flags] = sidecar().args.map((argument) => argument.split('=')[0] ?? '');
    expect(subcommand).toBe('start');
    expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
    expect(new Set(flags).size).toBe(flags.length);
  });

  it('are told apart from kube-rbac-proxy’s one by one: every one of theirs has its row', () => {
    const theirs = rows.flatMap((row) => row.theirs);
    expect([...theirs].sort()).toEqual([...kubeRbacProxyFlags].sort());
  });

  it.each(rows)('$theirs: what is named in its place exists', ({ ours, remark }) => {
    expect(ours.filter((flag) => !known.has(flag))).toEqual([]);
    expect(remark).not.toBe('');
    if (ours.length === 0) expect(remark).toMatch(/^not (?:there|needed)/);
  });

  it('named elsewhere in the README exist', () => {
    const text = readme.replaceAll(/^(?:docker|kubectl) .*$|`kubectl [^`]*`/gm, '');
    expect(flagsIn(text).filter((flag) => !known.has(flag))).toEqual([]);
  });
});

describe('a real application behind the filter', () => {
  it.each<[string, { readonly Authorization?: string }, number]>([
    ['nobody', {}, 401],
    ['a unknown token', { Authorization: 'Bearer nobodys-token' }, 401],
    ['somebody without a binding', { Authorization: 'Bearer mallory-token' }, 403],
    ['the scraper', { Authorization: 'Bearer scraper-token' }, 200],
  ])('%s: %j is answered %i', async (_who, { Authorization = '' }, status) => {
    const shop = await startShop();
    const exposition = upstreamExposition({ url: `http://127.0.0.1:${shop.port}/metrics` });
    const filter = await listenFilter(exposition, { anonymous: false });
    const answer = await scrape(filter, Authorization === '' ? { Authorization: [] } : { Authorization });
    expect(answer.status).toBe(status);
    const text = answer.body.toString();
    if (status === 200) expect(text).toBe(await shop.exposition());
    else expect(text).not.toContain('shop_');
    expect(shop.connections()).toBe(status === 200 ? 1 : 0);
    exposition.close();
  });
});
