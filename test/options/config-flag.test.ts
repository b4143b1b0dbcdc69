import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.js';
import { startTopics } from '../../src/options/start-topics.js';
import { localAuthority } from '../support/local-authority.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { configuredOptions } from '../../src/options/configuration.js';

const head = 'apiVersion: kcp-metrics-filter/v1alpha1\nkind: MetricsFilterConfiguration\n';

interface Ran {
  readonly code: number;
  readonly printed: readonly string[];
  readonly errors: readonly string[];
}

async function runHere(...args: readonly string[]): Promise<Ran> {
  const printed: string[] = [];
  const errors: string[] = [];
  const code = await run(args, {
    print: (line) => printed.push(line),
    printError: (line) => errors.push(line),
    stopRequested: () => Promise.resolve(),
  });
  return { code, printed, errors };
}

describe('--config', () => {
  const directory = temporaryDirectory();
  let file: string;
  const write = (text: string): string => directory.write('config.yaml', head + text);
  beforeAll(async () => {
    file = join(directory.path, 'config.yaml');
    const { serving: pair } = await localAuthority();
    directory.write('tls.crt', pair.certificatePem);
    directory.write('tls.key', pair.privateKeyPem);
    mkdirSync(join(directory.path, 'rbac'));
    writeFileSync(
      join(directory.path, 'rbac', 'binding.yaml'),
      JSON.stringify({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'b' },
        roleRef: {
          apiGroup: 'rbac.authorization.k8s.io',
          kind: 'ClusterRole',
          name: 'system:kcp:metrics-reader',
        },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'prometheus' }],
      }),
    );
  });

  it('starts a server, with files below its folder', async () => {
    write(
      'mode: shard\nbindAddress: 127.0.0.1\nsecurePort: 0\ntlsCertFile: tls.crt\ntlsPrivateKeyFile: tls.key\nrbacDir: rbac\nlogLevel: error\n',
    );
    expect(await runHere('start', '--config', file)).toEqual({ code: 0, printed: [], errors: [] });
  });

  it('gives way to each flag of the command line, a list as a whole', async () => {
    write('mode: shard\ndropLabels: [a, b]\nanonymousAuth: false\nlogLevel: debug\nsecurePort: 1\n');
    const given = { config: file, dropLabels: ['c'], anonymousAuth: true as const, securePort: '0' };
    const { given: values } = await configuredOptions(given, startTopics);
    expect(values).toEqual({ ...given, mode: 'shard', logLevel: 'debug' });
  });

  it('is not looked at, where a flag is given in its place', async () => {
    write(
      'mode: shard\nsecurePort: 0\nbindAddress: nowhere\ntlsCertFile: tls.crt\ntlsPrivateKeyFile: tls.key\nlogLevel: error\n',
    );
    expect((await runHere('start', '--config', file, '--bind-address=127.0.0.1')).code).toBe(0);
  });

  it.each([
    [
      'mode: shard\ntlsMinVersion: "1.0"',
      [],
      ':4: tlsMinVersion: "1.0" is not one of VersionTLS12, VersionTLS13',
    ],
    [
      'securePort: 65536\nmode: shard',
      [],
      ':3: securePort: "65536" is not a port (0 to 65535; 0 takes a free one)',
    ],
    ['mode: shard\nbindAddress: here', [], ':4: bindAddress: "here" is not an IP address'],
    [
      'mode: shard\n\nbindAddress: 192.0.2.1',
      [],
      ':5: bindAddress, --secure-port: listen EADDRNOTAVAIL: address not available 192.0.2.1',
    ],
    ['mode: shard\noidcClientId: id', [], ':4: oidcClientId: needs oidcIssuerUrl'],
    ['mode: shard\ncollectorTimeout: 0s', [], ':4: collectorTimeout: "0s" is not between 1ms and 596h'],
  ])('blames the field: %j', async (text, args, message) => {
    write(text);
    const port = text.includes('securePort') ? [] : ['--secure-port=0'];
    const { code, errors } = await runHere('start', '--config', file, ...port, ...args);
    expect({ code, errors }).toEqual({ code: 2, errors: [`${file}${message}`] });
  });

  it('blames a flag that does not fit a field, and says where that is', async () => {
    write('mode: shard\nauthenticationKubeconfig: kubeconfig\n');
    const webhook = '--authentication-token-webhook-config-file';
    const { code, errors } = await runHere('start', '--config', file, `${webhook}=a`, '--secure-port=0');
    expect({ code, errors }).toEqual({
      code: 2,
      errors: [`${webhook}: cannot be combined with authenticationKubeconfig (${file}:4)`],
    });
  });

  it.each([
    ["requestheaderAllowedNames: ''", 'requestheaderAllowedNames: is empty; '],
    ["requestheaderAllowedNames: ' , '", 'requestheaderAllowedNames: is empty; '],
    ["requestheaderAllowedNames: ['', ' ']", 'requestheaderAllowedNames: is empty; '],
    ['requestheaderAllowedNames: []', 'requestheaderAllowedNames: is empty: leave it out'],
    ['requestheaderGroupHeaders: []', 'requestheaderGroupHeaders: is empty; '],
    ['apiAudiences: [" "]', 'apiAudiences: is empty; '],
    ['serviceAccountIssuer: ","', 'serviceAccountIssuer: is empty; '],
  ])('%j is no start: it would mean everybody', async (field, message) => {
    const config = write(`mode: shard\n${field}\n`);
    const { code, printed, errors } = await runHere('start', `--config=${config}`, '--secure-port=0');
    expect({ code, printed }).toEqual({ code: 2, printed: [] });
    expect(errors).toHaveLength(1);
    expect(errors[0]?.startsWith(`${config}:4: ${message}`)).toBe(true);
  });

  it('blames the command line for what is only there', async () => {
    write('mode: shard\n');
    const { errors } = await runHere('start', '--config', file, '--secure-port=x');
    expect(errors).toEqual(['--secure-port: "x" is not a port (0 to 65535; 0 takes a free one)']);
  });

  it.each([
    ['a file that is missing', (): string => join(directory.path, 'missing'), 'cannot be read: ENOENT'],
    ['a folder', (): string => directory.path, 'is no regular file'],
    ['a device', (): string => '/dev/zero', 'is no regular file'],
    [
      'a pipe that nobody writes to',
      (): string => {
        const pipe = join(directory.path, 'pipe');
        execFileSync('mkfifo', [pipe]);
        return pipe;
      },
      'is no regular file',
    ],
    [
      'a file that is too large',
      (): string => directory.write('large', ' '.repeat(1024 * 1024 + 1)),
      'is larger than 1048576 bytes',
    ],
    ['nothing', (): string => '', 'must name a file'],
  ])('refuses %s', async (_, make, fault) => {
    const path = make();
    for (const command of [['start'], ['can-i', 'get', '/metrics'], ['replicate']]) {
      expect(await runHere(...command, `--config=${path}`)).toEqual({
        code: 2,
        printed: [],
        errors: [`--config: ${`${path} ${fault}`.trim()}`],
      });
    }
  });

  it('has all of its values and rules told at once, without a file being opened', async () => {
    write('securePort: 70000\nbindAddress: here\noidcClientId: id\ntlsCertFile: missing.crt\n');
    const expected = [
      ':3: securePort: "70000" is not a port (0 to 65535; 0 takes a free one)',
      ':4: bindAddress: "here" is not an IP address',
      ':5: oidcClientId: needs oidcIssuerUrl',
    ].map((message) => `${file}${message}`);
    const missing = `--tls-private-key-file: required with tlsCertFile (${file}:6)`;
    const { code, printed, errors } = await runHere('start', '--config', file);
    expect({ code, printed }).toEqual({ code: 2, printed: [] });
    expect(errors.join('\n').split('\n').sort()).toEqual([missing, ...expected].sort());
    const given = ['--secure-port=0', '--bind-address=127.0.0.1', '--oidc-issuer-url=https://a'];
    const fewer = await runHere('start', '--config', file, ...given);
    expect(fewer.errors).toEqual([missing]);
  });

  it('is read by doctor, which names fields in the place of flags', async () => {
    write(
      'mode: shard\nlogLevel: error\ntlsCertFile: tls.crt\nclientCaFile: missing.crt\nsecurePort: 70000\n',
    );
    const { code, printed } = await runHere('doctor', '--config', file, '-o', 'json');
    const { findings } = JSON.parse(printed.join('\n')) as {
      findings: { level: string; subject: string; message: string }[];
    };
    expect(code).toBe(2);
    const errors = findings.filter(({ level }) => level === 'error');
    expect(errors.map(({ subject, message }) => `${subject} | ${message}`)).toEqual(
      expect.arrayContaining([
        `${file}:7: securePort | "70000" is not a port (0 to 65535; 0 takes a free one)`,
        `tlsPrivateKeyFile | required with tlsCertFile (${file}:5)`.replace(
          'tlsPrivateKeyFile',
          '--tls-private-key-file',
        ),
      ]),
    );
    expect(errors.find(({ subject }) => subject.startsWith(`${file}:6: clientCaFile`))?.message).toContain(
      'ENOENT',
    );
  });

  it.each([
    ['a field that is none', 'modes: shard\n', 'config.yaml:3: modes: unknown field; did you mean mode?'],
    ['a type that is wrong', 'mode: shard\nsecurePort: "1"\n', 'config.yaml:4: securePort: must be a whole'],
  ])('is a finding of doctor, with %s', async (_, text, message) => {
    write(text);
    const { code, printed, errors } = await runHere('doctor', '--config', file, '--output=json');
    const { findings } = JSON.parse(printed.join('\n')) as {
      findings: { subject: string; message: string }[];
    };
    expect({ code, errors, subjects: findings.map(({ subject }) => subject) }).toEqual({
      code: 2,
      errors: [],
      subjects: ['--config'],
    });
    expect(findings[0]?.message).toContain(message);
  });

  it('gives can-i and who-can their policy; what else a start would read is not looked at', async () => {
    write('mode: shard\nrbacDir: rbac\nclientCaFile: missing\nlogLevel: info\n');
    const asked = ['get', '/metrics', '--config', file] as const;
    expect((await runHere('can-i', ...asked, '--user=prometheus')).code).toBe(0);
    expect((await runHere('can-i', ...asked, '--user=mallory')).code).toBe(1);
    const { printed } = await runHere('who-can', ...asked);
    expect(printed.join('\n')).toContain('prometheus');
    write('mode: shard\nrbacDir: missing\n');
    const { errors } = await runHere('can-i', ...asked);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/config\.yaml:4: rbacDir: /);
  });

  it('gives can-i and who-can no policy where its cache server would have none', async () => {
    const asked = ['get', '/metrics', '--config', file] as const;
    const monitoring = ['can-i', ...asked, '--user=a', '--group=system:monitoring'] as const;
    write('mode: shard\n');
    expect((await runHere(...monitoring)).code).toBe(0);
    write('mode: cache-server\n');
    expect((await runHere(...monitoring)).code).toBe(1);
    expect((await runHere('who-can', ...asked)).printed).toEqual([
      'Group "system:masters"  --authorization-always-allow-groups',
    ]);
    write('mode: cache-server\nrbacDir: rbac\n');
    expect((await runHere('can-i', ...asked, '--user=prometheus')).code).toBe(0);
  });

  it('gives replicate its kubeconfig', async () => {
    write('rootKubeconfig: missing\n');
    const { code, errors } = await runHere('replicate', '--config', file);
    expect({ code, lines: errors.length }).toEqual({ code: 2, lines: 1 });
    expect(errors[0]).toMatch(/config\.yaml:3: rootKubeconfig: .*missing: cannot be read: ENOENT$/);
  });
});
