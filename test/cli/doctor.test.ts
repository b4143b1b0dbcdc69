import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { doctorCommand } from '../../src/cli/doctor/doctor.js';
import { startOptions, startTopics } from '../../src/options/start-topics.js';
import { checks, type Finding } from '../../src/cli/doctor/finding.js';
import { createAuthority, type Authority, type IssuedCertificate } from '../support/certificate-authority.js';
import { writeSnapshot } from '../../src/policy/snapshot/snapshot-file.js';
import { bundleOf } from '../authentication/certificates/certificates.js';
import { binding, role } from './doctor/policies.js';
import { secretToken, startPolicyServer, type PolicyServer } from './doctor/policy-server.js';
import { listen } from '../support/listening.js';
import { command } from '../support/command-line.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { anyCharacter } from '../support/any-character.js';
import { words } from '../support/words.js';

interface Report {
  readonly result: string;
  readonly findings: readonly Finding[];
}

async function doctor(...args: readonly string[]): Promise<Report & { readonly code: number }> {
  const { code, out, err } = await command('doctor', '-o', 'json', ...args);
  expect(err).toBe('');
  return { code, ...(JSON.parse(out) as Report) };
}

/** What is not well: `error policy-source: …`. */
function faultsOf({ findings }: Report): readonly string[] {
  return findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, subject, message }) => `${level} ${check}: ${subject}: ${message}`);
}

/** Beside what is well, these flags have one fault, or none. */
async function expectFault(code: number, fault: RegExp | undefined, ...flags: readonly string[]) {
  const report = await doctor(...wellFlags(), ...flags);
  const expected: readonly unknown[] = fault === undefined ? [] : [expect.stringMatching(fault)];
  expect([report.code, faultsOf(report)]).toEqual([code, expected]);
  return report;
}

let directory: TemporaryDirectory;
let authority: Authority;
let serving: IssuedCertificate;
let server: PolicyServer;
let keys: readonly string[];
const secret = (name: string, text: string): string => {
  const file = directory.write(name, text);
  chmodSync(file, 0o600);
  keys = [...keys, text];
  return file;
};
/** Of a configuration that all is well with. */
const wellFlags = (): readonly string[] => [
  '--mode=shard',
  '--bind-address=127.0.0.1',
  `--tls-cert-file=${directory.write('tls.crt', serving.certificatePem)}`,
  `--tls-private-key-file=${secret('tls.key', serving.privateKeyPem)}`,
  `--client-ca-file=${directory.write('client-ca.crt', authority.certificatePem)}`,
];
const rootAt = (kubeconfig: string): string => `--root-kubeconfig=${kubeconfig}`;
const root = (): string => rootAt(server.kubeconfig());

beforeEach(async () => {
  keys = [secretToken];
  directory = temporaryDirectory();
  authority = await createAuthority({ commonName: 'ca' });
  serving = await authority.issue({ commonName: 'localhost', usage: 'serverAuth', dnsNames: ['localhost'] });
  server = await startPolicyServer(directory, [binding('scrapers', 'system:kcp:metrics-reader')]);
});

describe('doctor of a configuration that all is well with', () => {
  it('exits 0 and tells what it looked at', async () => {
    const { code, result, findings } = await doctor(...wellFlags(), root());
    expect({ code, result, faults: faultsOf({ result, findings }) }).toEqual({
      code: 0,
      result: 'ok',
      faults: [],
    });
    expect(new Set(findings.map(({ check }) => check))).toEqual(
      new Set(['flag', 'serving-certificate', 'client-ca', 'authentication', 'policy-source', 'scrapers']),
    );
    for (const found of findings) {
      expect(Object.keys(found)).toEqual(['level', 'check', 'subject', 'message']);
      expect(checks).toContain(found.check);
    }
  });

  it('prints a table for people', async () => {
    const { code, out, err } = await command('doctor', ...wellFlags(), root());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^Flags\n✓ command line: all flags are valid\n\nServing certificate\n✓ --tls-cert-file /,
    );
    expect(out).toContain('\nWho may scrape\n✓ GET /metrics: is granted to User "prometheus"\n');
    expect(out).toMatch(/\n\n0 errors, 0 warnings, \d+ fine\.$/);
    const long = out.split('\n').filter((line) => line.length > 100 && line.trim().includes(' ', 4));
    expect(
      long.filter((line) =>
        line
          .trim()
          .split(' ')
          .every((word) => word.length < 60),
      ),
    ).toEqual([]);
  });

  it('takes a cache server without a policy for what it is', async () => {
    const flags = wellFlags().map((flag) => flag.replace('--mode=shard', '--mode=cache-server'));
    const report = await doctor(...flags);
    expect([report.code, faultsOf(report)]).toEqual([0, []]);
    expect(report.findings.at(-1)?.message).toBe(
      'is granted to Group "system:masters", because there is no policy',
    );
    expect(server.asked).toEqual([]);
  });

  it('neither listens nor changes anything', async () => {
    const { port } = await listen(createServer());
    const snapshot = `${directory.path}/policy.snapshot`;
    const report = await doctor(
      ...wellFlags(),
      root(),
      `--secure-port=${port}`,
      `--policy-snapshot=${snapshot}`,
    );
    expect(report.code).toBe(0);
    expect(execFileSync('ls', ['-A', directory.path], { encoding: 'utf8' })).not.toContain('snapshot');
  });
});

describe('doctor of a policy', () => {
  it('that may not be watched names what to apply', async () => {
    server.script = (verb) => (verb === 'watch' ? 403 : undefined);
    const report = await expectFault(
      2,
      /^error policy-source: --root-kubeconfig .*: cannot watch clusterroles, watch clusterrolebindings, 403 User "reader" cannot watch clusterroles: apply rbac\/api-access\/policy-reader\.yaml/,
      root(),
    );
    expect(report.result).toBe('errors');
    // What is not known is not judged.
    expect(report.findings.map(({ check }) => check)).not.toContain('scrapers');
  });

  it('of all logical clusters is none, whatever else there is', async () => {
    const kubeconfig = server.kubeconfig({ path: '/clusters/*', name: 'all' });
    await expectFault(
      2,
      /^error policy-source: --root-kubeconfig .*: its server is all logical clusters /,
      rootAt(kubeconfig),
      `--cache-kubeconfig=${server.kubeconfig({ path: '' })}`,
    );
  });

  it('whose server is away cannot be served', async () => {
    const flag = root();
    await server.close();
    await expectFault(2, /^error policy-source: .* connection refused/, flag);
  });

  it('whose server is away is served from elsewhere, with a warning', async () => {
    const away = await startPolicyServer(directory, []);
    const awayFile = away.kubeconfig({ name: 'away' });
    await away.close();
    await expectFault(
      1,
      /^warning policy-source: .* connection refused .* \(--cache-kubeconfig decides until then\)$/,
      rootAt(awayFile),
      `--cache-kubeconfig=${server.kubeconfig({ path: '' })}`,
    );
    const withoutCache = /^warning policy-source: .* \(--root-kubeconfig decides without it\)$/;
    await expectFault(1, withoutCache, root(), `--cache-kubeconfig=${awayFile}`);
    const file = `${directory.path}/policy.snapshot`;
    const origin = `${away.url}/clusters/root`;
    await writeSnapshot(file, [{ layer: 'root', origin, syncedAt: Date.now(), objects: [] }]);
    const fromSnapshot = /^warning policy-source: .* \(the snapshot decides until then\)$/;
    await expectFault(1, fromSnapshot, rootAt(awayFile), `--policy-snapshot=${file}`);
  });

  it("has kcp's own part built in where that may not be read", async () => {
    const kcp = await startPolicyServer(directory, [
      role('system:kcp:metrics-reader', ['get', '/metrics']),
      binding('scrapers', 'system:kcp:metrics-reader'),
    ]);
    const flags = [rootAt(kcp.kubeconfig()), '--bootstrap-policy=live'];
    await expectFault(0, undefined, ...flags);
    kcp.script = (_verb, _resource, path) => (path.startsWith('/clusters/system:admin/') ? 403 : undefined);
    const builtIn = /clusters\/system:admin: cannot .*only system:masters may .* \(the built-in copy/;
    await expectFault(1, builtIn, ...flags);
  });

  it('of a new Kubernetes lets nobody scrape but its own', async () => {
    const fresh = await startPolicyServer(directory, [
      role('system:monitoring', ['get', '/metrics']),
      binding('system:monitoring', 'system:monitoring', {
        subjects: [{ kind: 'Group', name: 'system:monitoring' }],
      }),
    ]);
    await expectFault(
      1,
      /^warning scrapers: .* only to Group "system:masters", Group "system:monitoring"/,
      rootAt(fresh.kubeconfig({ path: '' })),
      '--bootstrap-policy=false',
    );
  });

  it('is told of all that grants nothing, too little or too much', async () => {
    const subjects = [
      { kind: 'User', name: 'prometheus' },
      { kind: 'Group', name: 'system:unauthenticated' },
      { kind: 'ServiceAccount', name: 'prometheus', namespace: 'monitoring' },
      { kind: 'User', name: 'prometheus ' },
    ] as const;
    const doubtful = await startPolicyServer(directory, [
      binding('plain', 'system:kcp:metrics-reader', { replicated: false }),
      binding('lost', 'nowhere'),
      binding('mixed', 'own', { subjects }),
      role('own', ['get', '/metrics']),
    ]);
    const report = await doctor(...wellFlags(), rootAt(doubtful.kubeconfig()));
    const plain = await doctor(
      ...wellFlags(),
      rootAt(doubtful.kubeconfig({ path: '' })),
      '--anonymous-auth=false',
    );
    expect(report.code).toBe(1);
    const kinds = (of: Report): readonly string[] =>
      of.findings.filter(({ level }) => level !== 'ok').map(({ check, subject }) => `${check} ${subject}`);
    const mixed = 'root: ClusterRoleBinding "mixed"';
    expect(kinds(report)).toEqual([
      'dangling-binding root: ClusterRoleBinding "lost"',
      'unreplicated-binding root: ClusterRoleBinding "plain"',
      `unmatched-subject ${mixed}`,
      `unmatched-subject ${mixed}`,
      `anonymous-access ${mixed}`,
    ]);
    // Plain Kubernetes replicates nothing.
    expect(kinds(plain)).toEqual([
      'dangling-binding root: ClusterRoleBinding "lost"',
      ...Array.from({ length: 3 }, () => `unmatched-subject ${mixed}`),
    ]);
  });

  it('of a directory is told of with file and line', async () => {
    const policy = temporaryDirectory();
    policy.write('role.yaml', 'kind: Role\n');
    const file = policy.write(
      'binding.yaml',
      `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: scrapers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:kcp:metrics-reader" }
subjects:
  - { kind: ServiceAccount, name: prometheus, namespace: monitoring, group: monitoring }
`,
    );
    const report = await doctor(...wellFlags(), `--rbac-dir=${policy.path}`);
    const withoutKcp = await doctor(...wellFlags(), `--rbac-dir=${policy.path}`, '--bootstrap-policy=false');
    policy.write('broken.yaml', 'kind: ClusterRole\nmetadata: { name: x\n');
    const broken = await doctor(...wellFlags(), `--rbac-dir=${policy.path}`);
    expect(faultsOf(report)).toEqual([
      expect.stringMatching(`^warning manifest: ${file}:6: "group" is not a known field`),
      expect.stringMatching(/^warning manifest: .*role\.yaml:1: a Role is skipped/),
      expect.stringMatching(`^warning unreplicated-binding: ${file}:1: ClusterRoleBinding "scrapers": `),
      expect.stringMatching(`^warning unmatched-subject: ${file}:1: ClusterRoleBinding "scrapers": `),
      expect.stringMatching(/^warning scrapers: GET \/metrics: is granted only to Group "system:masters", /),
    ]);
    expect(withoutKcp.findings.map(({ check }) => check)).not.toContain('unreplicated-binding');
    expect(broken.code).toBe(2);
    expect(faultsOf(broken)).toContainEqual(
      expect.stringMatching(/^error policy-source: --rbac-dir: .*broken\.yaml:\d+: /),
    );
  });

  it('with a hundred faults of one kind shows twenty, and all to programs', async () => {
    const many = await startPolicyServer(directory, [
      binding('scrapers', 'system:kcp:metrics-reader'),
      ...Array.from({ length: 100 }, (_, at) => binding(`lost-${at}`, 'nowhere')),
    ]);
    const kubeconfig = many.kubeconfig();
    const { out } = await command('doctor', ...wellFlags(), rootAt(kubeconfig));
    const report = await doctor(...wellFlags(), rootAt(kubeconfig));
    expect(out.match(/^! root: ClusterRoleBinding "lost-/gm)).toHaveLength(20);
    expect(out).toContain('\n! and 80 more: -o json has all of them\n');
    expect(out).toMatch(/0 errors, 100 warnings, \d+ fine\.$/);
    expect(faultsOf(report)).toHaveLength(100);
  });

  it.each(
    Object.entries({
      '--authorization-order=AlwaysAllowGroups':
        /^warning scrapers: --authorization-order: does not list RBAC/,
      '--authorization-always-allow-paths=/metrics': /^warning scrapers: .* anyone who reaches the server/,
      '--ignore-paths=/metr*':
        /^warning scrapers: GET \/metrics: is in --ignore-paths: anyone who reaches the server/,
      '--allow-paths=/metrics/*':
        /^warning scrapers: --allow-paths: does not include \/metrics, so every scrape of/,
    }),
  )('that is asked otherwise: %s', async (flag, fault) => {
    await expectFault(1, fault, root(), flag);
  });
});

describe('doctor of flags', () => {
  const alone: readonly string[] = [
    ...words(`
      --mode=front-proxy --secure-port=65536 --bind-address=localhost --tls-min-version=VersionTLS11
      --tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA --tls-cert-file=/missing/tls.crt
      --tls-private-key-file=/missing/tls.key --allow-paths=metrics --client-ca-file=/missing/ca.crt
      --requestheader-client-ca-file=/missing/ca.crt --token-auth-file=/missing/tokens.csv
      --anonymous-auth=maybe --authorization-always-allow-paths=/met*rics --authorization-order=RBAC,RBAC
      --max-policy-staleness=5 --bootstrap-policy=0 --bootstrap-policy=live --log-level=trace
      --rbac-dir=/missing/rbac --root-kubeconfig=/missing/kubeconfig --root-kubeconfig=in-cluster
      --authorization-kubeconfig=in-cluster --policy-snapshot=/missing/snapshot
      --authorization-kubeconfig=/missing/reviewer --upstream=ftp://127.0.0.1
    `),
    '--tls-cert-file=/missing/tls.crt --tls-private-key-file=/missing/tls.key',
    '--upstream=https://127.0.0.1 --upstream-ca-file=/missing/upstream.crt',
    '--upstream=https://127.0.0.1 --upstream-client-key-file=/missing/upstream.key',
  ];
  it.each(alone)('says of %s what a start says', async (flags) => {
    const args = [...(flags.startsWith('--mode') ? [] : ['--mode=shard']), ...flags.split(' ')];
    const { code, err } = await command('start', '--secure-port=0', '--bind-address=127.0.0.1', ...args);
    expect(code).toBe(2);
    const report = await doctor(...args);
    expect(report.code).toBe(2);
    const errors = report.findings.filter(({ level }) => level === 'error');
    const [flag, message] = [err.slice(0, err.indexOf(': ')), err.slice(err.indexOf(': ') + 2)];
    expect(
      errors.some(({ subject, message: said }) => subject.startsWith(flag) && message.endsWith(said)),
    ).toBe(true);
  });

  it('tells of all faults at once', async () => {
    // With a kubeconfig, live is none.
    const flags = alone.filter((flag) => !flag.includes(' ') && !flag.endsWith('=live'));
    const report = await doctor(...flags);
    expect(report.code).toBe(2);
    const blamed = new Set(
      report.findings.filter(({ level }) => level === 'error').map(({ subject }) => subject.split(' ')[0]),
    );
    for (const flag of flags) expect(blamed).toContain(flag.split('=')[0]);
  });

  it.each([
    ['--upstream', '--upstream=ftp://127.0.0.1 --upstream-ca-file=/ca.crt --upstream-server-name=app'],
    [
      '--authorization-kubeconfig',
      '--authorization-kubeconfig=/missing --authorization-webhook-stale-ttl=1m',
    ],
  ])('blames %s alone where others need it', async (blamed, flags) => {
    const { findings } = await doctor(...wellFlags(), root(), ...flags.split(' '));
    const errors = findings.filter(({ level }) => level === 'error');
    expect(errors.map(({ subject }) => subject)).toEqual([blamed]);
  });

  it("warns of an upstream's client key that everybody may read", async () => {
    const [certificate, key] = [bundleOf(serving), serving.privateKeyPem];
    const file = directory.write('upstream.key', key);
    chmodSync(file, 0o644);
    await expectFault(
      1,
      /^warning file-permissions: --upstream-client-key-file .*upstream\.key: contains/,
      root(),
      '--upstream=https://127.0.0.1',
      `--upstream-client-cert-file=${directory.write('upstream.crt', certificate)}`,
      `--upstream-client-key-file=${file}`,
    );
  });

  it('wants a mode that there is, as a start does', async () => {
    const report = await doctor('--mode=shards');
    expect(report.code).toBe(2);
    expect(faultsOf(report)).toContain('error flag: --mode: "shards" is not one of shard, cache-server');
  });

  it('tells of a key that belongs to another certificate, and of what is wrong with that beside it', async () => {
    const other = await authority.issue({ commonName: 'other', usage: 'serverAuth' });
    const lapsed = await authority.issue({
      commonName: 'localhost',
      usage: 'serverAuth',
      dnsNames: ['localhost'],
      notAfter: new Date(Date.now() - 1000),
    });
    const report = await doctor(
      ...wellFlags(),
      root(),
      `--tls-cert-file=${directory.write('old.crt', bundleOf(lapsed))}`,
      `--tls-private-key-file=${secret('other.key', other.privateKeyPem)}`,
    );
    expect(report.code).toBe(2);
    expect(faultsOf(report)).toEqual([
      expect.stringMatching(
        /^error serving-certificate: --tls-private-key-file: .* is not the key of .*old\.crt$/,
      ),
      expect.stringMatching(
        /^error serving-certificate: --tls-cert-file .*old\.crt: .* expired (?:less than an hour|\d+ hours?) ago/,
      ),
    ]);
  });

  it('warns of secrets that everybody may read', async () => {
    const file = directory.write('tokens.csv', 'secret-of-alice,alice,1\n');
    chmodSync(file, 0o644);
    const fault = /^warning file-permissions: --token-auth-file .*tokens\.csv: contains secrets and can be/;
    await expectFault(1, fault, root(), `--token-auth-file=${file}`);
  });

  it('looks at every pair of --tls-sni-cert-key and at who may read its key', async () => {
    const lapsed = await authority.issue({
      dnsNames: ['a.example'],
      usage: 'serverAuth',
      notBefore: new Date(Date.now() - 7_200_000),
      notAfter: new Date(Date.now() - 3_600_000),
    });
    const certificate = directory.write('sni.crt', lapsed.certificatePem);
    const key = directory.write('sni.key', lapsed.privateKeyPem);
    chmodSync(key, 0o644);
    const faults = faultsOf(await doctor(...wellFlags(), root(), `--tls-sni-cert-key=${certificate},${key}`));
    expect(faults).toEqual([
      expect.stringMatching(
        `^error serving-certificate: --tls-sni-cert-key ${certificate}: .* expired 1 hour ago`,
      ),
      expect.stringMatching(`^(warning|error) file-permissions: --tls-sni-cert-key ${key}: `),
    ]);
  });

  it('does not wait for a pipe', async () => {
    const pipe = `${directory.path}/pipe`;
    execFileSync('mkfifo', [pipe]);
    const flags = words(
      '--token-auth-file --client-ca-file --tls-cert-file --root-kubeconfig --label-mapping-file',
    );
    const report = await doctor(...wellFlags(), ...flags.map((flag) => `${flag}=${pipe}`));
    expect(faultsOf(report)).toEqual([
      expect.stringMatching(`^error flag: --label-mapping-file: ${pipe} .*no regular file`),
      expect.stringMatching(`^error serving-certificate: --tls-cert-file: ${pipe} .*no regular file`),
      expect.stringMatching(`^error client-ca: --client-ca-file: ${pipe} .*no regular file`),
      expect.stringMatching(`^error authentication: --token-auth-file: ${pipe} .*no regular file`),
      expect.stringMatching(`^error policy-source: --root-kubeconfig ${pipe}: is no regular file`),
    ]);
  });

  it('knows one authority for clients and front proxies', async () => {
    const ca = directory.write('client-ca.crt', authority.certificatePem);
    const flags = [...wellFlags(), root(), `--requestheader-client-ca-file=${ca}`];
    expect(faultsOf(await doctor(...flags))).toEqual([
      expect.stringMatching(
        /^error front-proxy-ca: --requestheader-allowed-names: required: clients of "CN=ca" are also/,
      ),
    ]);
    expect((await doctor(...flags, '--requestheader-allowed-names=front-proxy')).code).toBe(0);
  });

  it('takes those of start and its own', async () => {
    expect(doctorCommand.topics.slice(0, -1)).toEqual(startTopics);
    expect(await command('doctor', '-o', 'xml')).toEqual({
      code: 2,
      out: '',
      err: '--output: "xml" is not one of table, json',
    });
    expect((await command('doctor', '--no-such-flag')).code).toBe(2);
  });
});

describe('doctor tells no secret', () => {
  it('whatever is wrong, in neither format', async () => {
    const tokens = secret('tokens.csv', 'secret-of-alice,alice\n');
    const kubeconfig = secret('broken', `{"users": [{"name": "a", "user": {"token": "secret-of-kube`);
    const clientPair = await server.authority.issue({ commonName: 'reader', usage: 'clientAuth' });
    const user = {
      'client-certificate-data': Buffer.from(clientPair.certificatePem).toString('base64'),
      'client-key-data': Buffer.from(clientPair.privateKeyPem).toString('base64'),
    };
    server.script = () => 401;
    const args = [
      ...wellFlags(),
      `--token-auth-file=${tokens}`,
      `--root-kubeconfig=${server.kubeconfig({ name: 'pair', user })}`,
      `--cache-kubeconfig=${kubeconfig}`,
      // Files in each other's place.
      `--client-ca-file=${secret('swapped.key', serving.privateKeyPem)}`,
      `--requestheader-client-ca-file=${tokens}`,
      `--rbac-dir=${directory.path}`,
      `--policy-snapshot=${tokens}`,
    ];
    const all = [
      await command('doctor', ...args),
      await command('doctor', '-o', 'json', ...args),
      await command('doctor', ...args.slice(0, 4), root()),
    ];
    const told = JSON.stringify(all);
    expect(all.map(({ code }) => code)).toEqual([2, 2, 2]);
    for (const text of [...keys, clientPair.privateKeyPem, user['client-key-data']]) {
      // Some of it would do harm already.
      for (const part of text.match(/[A-Za-z0-9+/_-]{24,}/g) ?? []) expect(told).not.toContain(part);
    }
    expect(told).not.toMatch(/secret-of|secret-token|PRIVATE KEY/);
  });
});

describe('doctor of random flags', () => {
  it('always ends with findings', { timeout: 120_000 }, async () => {
    const names = startOptions.map(({ name }) => name).filter((name) => name !== '--mode');
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: anyCharacter }),
      fc.constantFrom(...words('/ . /dev/null /dev/zero __proto__ live true * , 1h'), '', '\u0000'),
    );
    const flag = fc.tuple(fc.constantFrom(...names), value).map(([name, text]) => `${name}=${text}`);
    await fc.assert(
      fc.asyncProperty(fc.array(flag, { maxLength: 8 }), value, async (flags, mode) => {
        const report = await doctor(`--mode=x${mode}`, ...flags);
        expect([report.code, report.result]).toEqual([2, 'errors']);
        expect(report.findings.length).toBeGreaterThan(0);
        expect(faultsOf(report).filter((fault) => fault.includes('could not be looked at'))).toEqual([]);
      }),
      { numRuns: 150, examples: [[['--policy-snapshot=,', '--workspace-kubeconfig=!'], '']] },
    );
  });
});
