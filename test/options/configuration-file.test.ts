import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../src/options/configuration-file.js';
import { UsageError } from '../../src/options/usage-error.js';

const head = 'apiVersion: kcp-metrics-filter/v1alpha1\nkind: MetricsFilterConfiguration\n';
const parse = (text: string): ReadonlyMap<string, { value: unknown; line: number }> =>
  parseConfiguration(Buffer.from(text), '/etc/filter/config.yaml');
const valueOf = (text: string): unknown =>
  [...parse(head + text)].map(([name, { value, line }]) => [name, value, line])[0];

function faultOf(text: string | Buffer): string {
  try {
    parseConfiguration(Buffer.from(text), 'config.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error('it was read');
}

describe('a configuration file says what a flag would be given', () => {
  it.each([
    ['mode: shard', ['mode', 'shard', 3]],
    ['\n# a comment\nmode: "cache-server"', ['mode', 'cache-server', 5]],
    ['anonymousAuth: false', ['anonymousAuth', false, 3]],
    ['bootstrapPolicy: true', ['bootstrapPolicy', true, 3]],
    ['bootstrapPolicy: live', ['bootstrapPolicy', 'live', 3]],
    ['securePort: 0', ['securePort', 0, 3]],
    ['maxSeries: 100000', ['maxSeries', 100_000, 3]],
    ['collectorTimeout: 1m30s', ['collectorTimeout', '1m30s', 3]],
    ['dropLabels: [pod, le]', ['dropLabels', ['pod', 'le'], 3]],
    ['dropLabels:\n  - pod\n  - le', ['dropLabels', ['pod', 'le'], 3]],
    ['dropLabels: pod,le', ['dropLabels', ['pod', 'le'], 3]],
    ['dropMetrics: ["{a,b}"]', ['dropMetrics', ['{a,b}'], 3]],
    ['authorizationAlwaysAllowPaths: []', ['authorizationAlwaysAllowPaths', [], 3]],
    ['authorizationAlwaysAllowPaths: ""', ['authorizationAlwaysAllowPaths', [], 3]],
    ['renameLabels: {a: b, c: d}', ['renameLabels', ['a=b', 'c=d'], 3]],
    ['oidcRequiredClaim: {a: b=c}', ['oidcRequiredClaim', ['a=b=c'], 3]],
    ['oidcRequiredClaim: [a=b]', ['oidcRequiredClaim', ['a=b'], 3]],
    ['tlsCertFile: /tls.crt', ['tlsCertFile', '/tls.crt', 3]],
    ['tlsCertFile: ../tls.crt', ['tlsCertFile', '/etc/tls.crt', 3]],
    ['rootKubeconfig: in-cluster', ['rootKubeconfig', 'in-cluster', 3]],
    ['rootKubeconfig: ./in-cluster', ['rootKubeconfig', '/etc/filter/in-cluster', 3]],
    ['tlsCertFile: in-cluster', ['tlsCertFile', '/etc/filter/in-cluster', 3]],
    ['rbacDir: rbac', ['rbacDir', '/etc/filter/rbac', 3]],
    ['serviceAccountKeyFile: [a.pub, /b.pub]', ['serviceAccountKeyFile', ['/etc/filter/a.pub', '/b.pub'], 3]],
    ['oidcIssuerUrl: &url https://a\noidcClientId: *url', ['oidcIssuerUrl', 'https://a', 3]],
  ])('%s', (text, expected) => {
    expect(valueOf(text)).toEqual(expected);
  });

  it('in JSON, too', () => {
    const text = `{
      "apiVersion": "kcp-metrics-filter/v1alpha1", "kind": "MetricsFilterConfiguration",
\t"mode": "shard", "dropLabels": ["pod"], "renameLabels": {"a\\u0062": "c"}
    }`;
    expect([...parse(text)].map(([name, { value, line }]) => [name, value, line])).toEqual([
      ['mode', 'shard', 3],
      ['dropLabels', ['pod'], 3],
      ['renameLabels', ['ab=c'], 3],
    ]);
  });

  it('and nothing, where it has no field', () => {
    expect([...parse(head)]).toEqual([]);
  });
});

describe('a configuration file is refused in one line that names file, line and field', () => {
  const version = 'apiVersion: kcp-metrics-filter/v1alpha1';
  it.each<readonly [string | Buffer, string]>([
    ['', '1: is empty'],
    ['# nothing\n', '1: is empty'],
    ['text', '1: a document must be an object, not a string'],
    ['\n- mode', '2: a document must be an object, not a list'],
    [Buffer.from([0x61, 0xff]), '1: is not UTF-8'],
    ['mode: shard', '1: apiVersion: required: kcp-metrics-filter/v1alpha1'],
    ['\napiVersion: v1\nkind: Secret\n', '2: apiVersion: must be kcp-metrics-filter/v1alpha1'],
    [version, '1: kind: required: MetricsFilterConfiguration'],
    [`${version}\nkind: Secret`, '2: kind: must be MetricsFilterConfiguration'],
    [`${head}---\n${head}`, '4: holds a second document'],
    [`${head}mode: shard\nmode: shard`, '4: duplicate key "mode", first on line 3'],
    [`${head}kind: a`, '3: duplicate key "kind", first on line 2'],
    [`${head}tlsCertfile: a`, '3: tlsCertfile: unknown field; did you mean tlsCertFile?'],
    [`${head}tls-cert-file: a`, '3: tls-cert-file: unknown field; did you mean tlsCertFile?'],
    [`${head}clientCAFile: a`, '3: clientCAFile: unknown field; did you mean clientCaFile?'],
    [`${head}Mode: a`, '3: Mode: unknown field; did you mean mode?'],
    [`${head}config: a.yaml`, '3: config: unknown field'],
    [`${head}output: json`, '3: output: unknown field'],
    [`${head}toString: a`, '3: toString: unknown field'],
    [`${head}__proto__: a`, '3: "__proto__": unknown field'],
    [`${head}"a\\nb": a`, '3: "a\\nb": unknown field'],
    [`${head}<<: {mode: shard}`, '3: "<<": unknown field'],
    [`${head}1: a`, '3: a name must be a string'],
    [`${head}[a]: b`, '3: a name must be a string'],
    [`${head}*a : b`, '3: a name must be a string'],
    [`${head}mode: *a`, '3: no anchor before the alias'],
    [`${head}dropLabels: [*a]`, '3: no anchor before the alias'],
    [`${head}mode:`, '3: mode: has no value'],
    [`${head}mode: null`, '3: mode: has no value'],
    [`${head}mode: front-proxy`, '3: mode: "front-proxy" is not one of shard, cache-server'],
    [`${head}mode: [shard]`, '3: mode: must be a string'],
    [`${head}mode: {a: b}`, '3: mode: must be a string'],
    [`${head}tlsMinVersion: "1.0"`, '3: tlsMinVersion: "1.0" is not one of VersionTLS12, VersionTLS13'],
    [`${head}tlsMinVersion: 1.0`, '3: tlsMinVersion: must be a string: put it in quotes'],
    [`${head}bindAddress: true`, '3: bindAddress: must be a string: put it in quotes'],
    [`${head}bindAddress: "a\\u0000"`, '3: bindAddress: contains a control character'],
    [`${head}anonymousAuth: "true"`, '3: anonymousAuth: must be true or false, without quotes'],
    [`${head}anonymousAuth: yes`, '3: anonymousAuth: must be true or false, without quotes'],
    [`${head}bootstrapPolicy: "false"`, '3: bootstrapPolicy: must be true or false or live, without quotes'],
    [`${head}securePort: "1"`, '3: securePort: must be a whole number, 0 or more, without quotes'],
    [`${head}securePort: -1`, '3: securePort: must be a whole number, 0 or more, without quotes'],
    [`${head}securePort: 1.5`, '3: securePort: must be a whole number, 0 or more, without quotes'],
    [`${head}securePort: .inf`, '3: securePort: must be a whole number, 0 or more, without quotes'],
    [`${head}maxSeries: 1e30`, '3: maxSeries: must be a whole number, 0 or more, without quotes'],
    [`${head}collectorTimeout: 5`, '3: collectorTimeout: must be a duration such as 30s, 10m or 1h30m'],
    [`${head}collectorTimeout: soon`, '3: collectorTimeout: must be a duration such as 30s, 10m or 1h30m'],
    [`${head}dropLabels: 5`, '3: dropLabels: must be a list or a string'],
    [`${head}dropLabels: {a: b}`, '3: dropLabels: must be a list or a string'],
    [`${head}dropLabels:\n  - a\n  - 5`, '5: dropLabels[1]: must be a string: put it in quotes'],
    [`${head}dropLabels: [[a]]`, '3: dropLabels[0]: must be a string'],
    [`${head}dropLabels: &a [*a]`, '3: dropLabels[0]: must be a string'],
    [`${head}allowPaths: []`, '3: allowPaths: is empty: leave it out'],
    [`${head}renameLabels: {}`, '3: renameLabels: is empty: leave it out'],
    [`${head}renameLabels: 5`, '3: renameLabels: must be a map, a list or a string'],
    [`${head}renameLabels:\n  a: b\n  a: c`, '5: duplicate key "a", first on line 4'],
    [
      `${head}renameLabels: {a=b: c}`,
      '3: renameLabels: a name in it is empty or contains = or a control character',
    ],
    [`${head}renameLabels: {a: 5}`, '3: renameLabels: must be a string: put it in quotes'],
    [`${head}renameLabels: {1: a}`, '3: a name must be a string'],
    [`${head}mode: !!binary c2hhcmQ=`, '3: is not YAML: tag resolve failed'],
    [`${head}mode: !mine shard`, '3: is not YAML: tag resolve failed'],
    [`${head}mode: "shard`, '3: is not YAML: missing char'],
    [`${head} mode: shard`, '2: is not YAML: block as implicit key'],
    [`%YAML 1.1\n---\n${head}anonymousAuth: yes`, '5: anonymousAuth: must be true or false, without quotes'],
    [
      `${head}dropLabels: [${'*a,'.repeat(200)}]`.replace('kind: M', 'kind: &a M'),
      '3: more than 100 aliases in one document',
    ],
  ])('%j', (text, message) => {
    expect(faultOf(text)).toBe(`config.yaml:${message}`);
  });

  it('all of its fields at once, one a line', () => {
    const text = 'mode: [shard]\nsecurePort: 1\ntlsCertfile: a\nanonymousAuth: yes\n';
    expect(faultOf(head + text)).toBe(
      [
        'config.yaml:3: mode: must be a string',
        'config.yaml:5: tlsCertfile: unknown field; did you mean tlsCertFile?',
        'config.yaml:6: anonymousAuth: must be true or false, without quotes',
      ].join('\n'),
    );
    const lines = faultOf(head + Array.from({ length: 30 }, (_, at) => `f${at}: 1\n`).join('')).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('there are more faults than these');
  });

  it('without a word of a file that is of another kind', () => {
    const secrets = [
      'secret-token,alice,1',
      '{"token": "secret-token"}',
      '"secret-token: \\q"',
      '*secret-token',
    ];
    for (const text of secrets) expect(faultOf(text)).not.toContain('secret');
  });

  it.each([
    ['many names', head + Array.from({ length: 90_000 }, (_, at) => `f${at}: 1`).join('\n')],
    ['many documents', head + '---\n'.repeat(200_000)],
    ['a long line', `${head}mode: ${'x'.repeat(1_000_000)}`],
    ['deep brackets', `${head}a: ${'['.repeat(300_000)}`],
    ['deep lists', `${head}a: ${'- '.repeat(300_000)}`],
    ['deep maps', head + Array.from({ length: 1000 }, (_, at) => `${' '.repeat(at)}a:`).join('\n')],
    ['a long name', `${head}${'x'.repeat(1000)}: a`],
  ])('soon and short, of %s', { timeout: 60_000 }, (_, text) => {
    const before = process.cpuUsage();
    const lines = faultOf(text).split('\n');
    expect(lines.length).toBeLessThanOrEqual(21);
    for (const line of lines) expect(line.length).toBeLessThan(200);
    // Processor time: other tests run beside it.
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(10_000);
  });

  it('with paths below its own folder, wherever the process is', () => {
    const file = join('some', 'config.yaml');
    const found = parseConfiguration(Buffer.from(`${head}rbacDir: rbac`), file);
    expect(found.get('rbacDir')?.value).toBe(join(process.cwd(), 'some', 'rbac'));
  });
});
