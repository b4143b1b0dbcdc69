import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { manifestKinds } from '../../../src/cli/manifests/manifests-command.js';
import { run } from '../../../src/cli/program.js';
import { faultsOf, objectsIn } from '../../examples/manifest-schemas.js';
import { anyCharacter } from '../../support/any-character.js';

interface Printed {
  readonly code: number;
  readonly text: string;
  readonly errors: readonly string[];
}

async function manifests(...args: readonly string[]): Promise<Printed> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await run(['manifests', ...args], {
    print: (line) => lines.push(line),
    printError: (line) => errors.push(line),
    stopRequested: () => Promise.resolve(),
  });
  return { code, text: lines.join('\n'), errors };
}

const serving = ['--mode=shard', '--tls-cert-file=tls.crt', '--tls-private-key-file=tls.key'];
const byToken = [
  ...serving,
  '--service-account-key-file=sa.pub',
  '--service-account-issuer=https://kubernetes.default.svc',
  '--api-audiences=filter',
];
const byCertificate = [...serving, '--client-ca-file=ca.crt', '--scraper=user:prometheus'];
const withManyPaths = [
  '--upstream=http://127.0.0.1:8080',
  '--upstream-path=/metrics/app.v1=http://127.0.0.1:8081',
  '--upstream-path=/metrics/app-v1=http://127.0.0.1:8082',
  '--component-slis',
];
const configurations: readonly (readonly string[])[] = [
  byToken,
  byCertificate,
  [...byToken, '--bootstrap-policy=false', '--scraper=serviceaccount:a:b'],
  [...byCertificate, ...withManyPaths, '--name=shop', '--namespace=shop'],
  [...byCertificate, '--server-name=2001:db8::1', '--secure-port=8443'],
  [...serving, '--token-auth-file=tokens.csv', '--scraper=group:on/call:1'],
  ['--mode=cache-server', ...byCertificate.slice(1), '--rbac-dir=rbac'],
];
/** What stands in a comment to be copied. */
const commentedIn = (text: string): string =>
  (text.match(/^#( {3}.*)$/gm) ?? []).map((line) => line.slice(3)).join('\n');
const objectKinds = manifestKinds.filter((kind) => !['scrape-job', 'rule-file'].includes(kind));

describe('manifests KIND', () => {
  it('is valid for every configuration, whatever the kind', async () => {
    const calls = configurations.flatMap((flags) => objectKinds.map((kind) => manifests(kind, ...flags)));
    const printed = await Promise.all(calls);
    expect(printed.map(({ code, errors }) => ({ code, errors }))).toEqual(
      printed.map(() => ({ code: 0, errors: [] })),
    );
    expect(faultsOf(printed.flatMap(({ text }) => objectsIn(text)))).toEqual([]);
  });

  it.each([
    ['user:*', /RBAC has no wildcard/],
    ['group:team-*', /RBAC has no wildcard/],
    ['user:system:anonymous', /every client without credentials/],
    ['group:system:unauthenticated', /every client without credentials/],
    ['group:system:authenticated', /every client with valid credentials/],
    ['group:system:serviceaccounts', /every service account/],
    ['group:system:serviceaccounts:monitoring', /every service account of its namespace/],
    ['group:system:cluster:root', /every client of a logical cluster/],
    ['group:system:nodes', /every node/],
    ['group:system:masters', /already do everything/],
    ['user:system:authenticated', /matches no client: it is a group's name/],
    ['user:system:serviceaccounts:monitoring', /matches no client: it is a group's name/],
    ['group:system:anonymous', /matches no client: it is a user's name/],
  ])('says on stderr what --scraper=%s stands for, and prints it', async (scraper, meaning) => {
    for (const kind of ['clusterrolebinding', 'service']) {
      const flags = [...serving, '--client-ca-file=ca.crt', `--scraper=${scraper}`];
      const { code, text, errors } = await manifests(kind, ...flags);
      expect({ code, objects: objectsIn(text).length }).toEqual({ code: 0, objects: 1 });
      expect(errors).toEqual([expect.stringMatching(meaning)]);
      expect(errors[0]).toMatch(/^--scraper: (?:user|group) "[^\n]+$/);
    }
  });

  it.each([
    'user:prometheus',
    'group:monitoring',
    'user:system:serviceaccount:a:b',
    'group:system:monitoring',
  ])('says nothing of --scraper=%s', async (scraper) => {
    const flags = [...serving, '--client-ca-file=ca.crt', `--scraper=${scraper}`];
    expect((await manifests('clusterrolebinding', ...flags)).errors).toEqual([]);
  });

  it('grants the scraper what is served, with the role that kcp has for it', async () => {
    const { text } = await manifests('clusterrolebinding', ...byToken);
    expect(objectsIn(text)).toEqual([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: {
          name: 'kcp-metrics-filter:metrics-reader:prometheus',
          annotations: { 'internal.kcp.io/replicate': 'true' },
        },
        roleRef: {
          apiGroup: 'rbac.authorization.k8s.io',
          kind: 'ClusterRole',
          name: 'system:kcp:metrics-reader',
        },
        subjects: [{ kind: 'ServiceAccount', namespace: 'monitoring', name: 'prometheus' }],
      },
    ]);
  });

  it('grants every path that is served with a role of its own', async () => {
    const { text } = await manifests('clusterrolebinding', ...byCertificate, ...withManyPaths);
    const [role, binding] = objectsIn(text);
    expect(role).toMatchObject({
      metadata: { name: 'kcp-metrics-filter:metrics-reader' },
      rules: [
        {
          verbs: ['get'],
          nonResourceURLs: [
            '/metrics',
            '/metrics/filter',
            '/metrics/slis',
            '/metrics/app.v1',
            '/metrics/app-v1',
          ],
        },
      ],
    });
    expect(binding).toMatchObject({ roleRef: { name: 'kcp-metrics-filter:metrics-reader' } });
  });

  it('names what stands once for each path by the path, and nothing twice', async () => {
    const { text } = await manifests('scrape-job', ...byCertificate, ...withManyPaths);
    const { scrape_configs: jobs } = parse(text) as {
      readonly scrape_configs: readonly { readonly job_name: string; readonly metrics_path: string }[];
    };
    expect(jobs.map(({ job_name, metrics_path }) => [metrics_path, job_name])).toEqual([
      ['/metrics', 'kcp-metrics-filter'],
      ['/metrics/filter', 'kcp-metrics-filter-filter'],
      ['/metrics/slis', 'kcp-metrics-filter-slis'],
      ['/metrics/app.v1', 'kcp-metrics-filter-app-v1'],
      ['/metrics/app-v1', 'kcp-metrics-filter-app-v1-2'],
    ]);
  });

  it.each([
    ['with a certificate', byCertificate, 'prometheus.yml'],
    ['with a token', byToken, 'prometheus-wiki.yml'],
  ])('discovers the workspaces as the example does: %s', async (_how, flags, file) => {
    const served = [...flags, '--workspace-metrics', '--workspace-rbac-dir=workspaces'];
    const place = ['--server-name=localhost', '--secure-port=8443'];
    const { text } = await manifests('scrape-job', ...served, ...place);
    const { scrape_configs: jobs } = parse(text) as { readonly scrape_configs: readonly object[] };
    const example = readFileSync(`examples/workspace-metrics/${file}`, 'utf8')
      .replaceAll('credentials/', '')
      .replaceAll(/(?:alice|wiki)(?=\.)/g, 'kcp-metrics-filter');
    const { scrape_configs: shown } = parse(example) as { readonly scrape_configs: readonly object[] };
    expect(jobs.slice(1)).toMatchObject(shown);
    expect(jobs).toHaveLength(2);
    const metricsAlone = await manifests('scrape-job', ...served, '--allow-paths=/metrics');
    expect(metricsAlone.text).not.toContain('http_sd_configs');
  });

  it('leaves out what --allow-paths does, and has a role of its own for anything but /metrics', async () => {
    const filterAlone = [...byCertificate, ...withManyPaths, '--allow-paths=/metrics/filter'];
    const { text } = await manifests('scrape-job', ...filterAlone);
    expect(parse(text)).toMatchObject({ scrape_configs: [{ metrics_path: '/metrics/filter' }] });
    const [role, binding] = objectsIn((await manifests('clusterrolebinding', ...filterAlone)).text);
    expect(role).toMatchObject({ rules: [{ nonResourceURLs: ['/metrics/filter'] }] });
    expect(binding).toMatchObject({ roleRef: { name: 'kcp-metrics-filter:metrics-reader' } });
    const metricsAlone = [...byCertificate, ...withManyPaths, '--allow-paths=/metrics'];
    const [only, ...others] = objectsIn((await manifests('clusterrolebinding', ...metricsAlone)).text);
    expect(only).toMatchObject({ roleRef: { name: 'system:kcp:metrics-reader' } });
    expect(others).toEqual([]);
  });

  it('mounts the token of a user from a Secret, since the cluster makes none for him', async () => {
    const flags = [...serving, '--token-auth-file=tokens.csv', '--scraper=user:prometheus'];
    const { text } = await manifests('servicemonitor', ...flags);
    expect(parse(commentedIn(text))).toMatchObject({
      spec: { volumes: [{ secret: { secretName: 'kcp-metrics-filter-token' } }] },
    });
    expect(text).not.toContain('serviceAccountToken');
  });

  it.each(['yes', 'no', 'on', 'y', '2001-01-01', '0b1', '1_000', '12:30:45'])(
    'quotes a name that kubectl would read as something else: %s',
    async (name) => {
      const { text } = await manifests(
        'clusterrolebinding',
        ...byCertificate.slice(0, -1),
        `--scraper=user:${name}`,
      );
      for (const version of ['1.1', '1.2'] as const) {
        expect(parse(text, { version })).toMatchObject({ subjects: [{ name }] });
      }
    },
  );

  it('has a comment with a Prometheus object that mounts the token for its audience', async () => {
    const { text } = await manifests('servicemonitor', ...byToken);
    expect(parse(commentedIn(text))).toMatchObject({
      spec: {
        scrapeClasses: [
          {
            name: 'kcp-metrics-filter',
            authorization: { credentialsFile: '/var/run/secrets/kcp-metrics-filter/token' },
          },
        ],
        volumes: [
          { projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'filter' } }] } },
        ],
      },
    });
  });

  it('prints names as they are, or refuses them', async () => {
    const kind = fc.constantFrom(...manifestKinds);
    const text = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.string(),
      fc.stringMatching(/^[a-z0-9-]{1,70}$/),
    );
    await fc.assert(
      fc.asyncProperty(kind, text, text, text, async (which, name, namespace, user) => {
        const {
          code,
          text: printed,
          errors,
        } = await manifests(
          which,
          ...byCertificate.slice(0, -1),
          `--name=${name}`,
          `--namespace=${namespace}`,
          `--scraper=user:${user}`,
        );
        if (code === 2) {
          expect(errors).toHaveLength(1);
          return;
        }
        const documents = parseAllDocuments(printed);
        expect(documents.flatMap(({ errors: faults }) => faults)).toEqual([]);
        if (which === 'clusterrolebinding') {
          expect(documents.at(-1)?.toJS()).toMatchObject({ subjects: [{ kind: 'User', name: user }] });
        }
      }),
    );
  });
});

describe('the check of manifests itself', () => {
  const good = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: { name: 'a' },
    spec: { selector: {}, endpoints: [{ port: 'metrics' }] },
  };

  it.each<readonly [string, object, RegExp]>([
    [
      'has a field that does not exist',
      { spec: { ...good.spec, endpoint: [] } },
      /endpoint"' does not exist/,
    ],
    [
      'has a field deep inside that does not exist',
      { spec: { selector: { matchlabels: {} }, endpoints: [] } },
      /matchlabels/,
    ],
    ['has a field of a wrong type', { spec: { ...good.spec, endpoints: { port: 'metrics' } } }, /endpoints/],
    ['has a bad value', { spec: { selector: {}, endpoints: [{ interval: 'soon' }] } }, /interval/],
    ['has no selector', { spec: { endpoints: [] } }, /selector/],
    ['is of a kind that nobody knows', { kind: 'ServiceMonitors' }, /no schema of/],
  ])('refuses one that %s', (_which, change, fault) => {
    const wrong = { ...good, metadata: { name: 'wrong' }, ...change };
    const faults = faultsOf([good, wrong]);
    expect(faults.filter((line) => !line.includes(' wrong: '))).toEqual([]);
    expect(faults.join('\n')).toMatch(fault);
  });
});
