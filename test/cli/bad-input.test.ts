import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { runCli } from '../support/started-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

describe('start refuses what it cannot use: exit code 2, one line naming the flag, nothing listening', () => {
  let directory: TemporaryDirectory;
  const files = new Map<string, string>();
  beforeAll(async () => {
    directory = temporaryDirectory();
    const authority = await createAuthority({ commonName: 'ca' });
    const pair = await authority.issue({ commonName: 'localhost', usage: 'serverAuth' });
    const other = await authority.issue({ commonName: 'localhost', usage: 'serverAuth' });
    const write = (name: string, text: string): void => {
      files.set(name, directory.write(name, text));
    };
    write('tls.crt', pair.certificatePem);
    write('tls.key', pair.privateKeyPem);
    write('other.key', other.privateKeyPem);
    write('garbage.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    write('empty.pem', '');
    write('short.csv', 'secret-token,alice\n');
    write('twice.csv', 'secret-token,a,1\nsecret-token,b,2\n');
    write('quote.csv', 'secret-token,"a,1\n');
    write('groups.csv', 'secret-token,a,1,"g,"\n');
    const kubeconfig = (server: string, context: string): string =>
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server } }],
        users: [{ name: 'u', user: { token: 'secret-token' } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': context,
      });
    write('kubeconfig', kubeconfig('https://127.0.0.1:1', 'x'));
    write('org', kubeconfig('https://127.0.0.1:1/clusters/root:org', 'x'));
    write('no-context', kubeconfig('https://127.0.0.1:1', 'y'));
    write('plain-http', kubeconfig('http://127.0.0.1:1', 'x'));
    write('broken.yaml', 'kind: ClusterRole\nmetadata: {name: x\n');
    files.set('missing', `${directory.path}/missing`);
    files.set('policy', directory.path);
  });
  afterAll(() => {
    directory.remove();
  });

  const rows: readonly (readonly [flags: string, message: RegExp])[] = [
    ['', /^--mode: required: shard or cache-server$/],
    ['--mode=front-proxy', /^--mode: "front-proxy" is not one of shard, cache-server$/],
    ['--mode=shard --no-such-flag', /^error: unknown option '--no-such-flag'$/],
    ['--mode=shard stray', /too many arguments/],
    ['--mode=shard --secure-port=65536', /^--secure-port: "65536" is not a port/],
    ['--mode=shard --secure-port=-1', /^--secure-port: "-1" is not a port/],
    ['--mode=shard --secure-port=1e3', /^--secure-port: "1e3" is not a port/],
    ['--mode=shard --bind-address=localhost', /^--bind-address: "localhost" is not an IP address$/],
    ['--mode=shard --bind-address=192.0.2.1', /^--bind-address, --secure-port: listen E/],
    ['--mode=shard --tls-min-version=VersionTLS11', /^--tls-min-version: "VersionTLS11" is not one of/],
    [
      '--mode=shard --tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA',
      /^--tls-cipher-suites: "TLS_RSA_WITH_RC4_128_SHA" is unknown/,
    ],
    ['--mode=shard --tls-cipher-suites=__proto__', /^--tls-cipher-suites: "__proto__" is unknown/],
    ['--mode=shard --tls-cert-file={tls.crt}', /^--tls-private-key-file: missing beside --tls-cert-file$/],
    ['--mode=shard --tls-private-key-file={tls.key}', /^--tls-cert-file: missing beside/],
    ['--mode=shard --tls-cert-file={missing} --tls-private-key-file={tls.key}', /^--tls-cert-file: ENOENT/],
    [
      '--mode=shard --tls-cert-file={garbage.pem} --tls-private-key-file={tls.key}',
      /^--tls-cert-file: .*garbage\.pem: /,
    ],
    [
      '--mode=shard --tls-cert-file={tls.crt} --tls-private-key-file={empty.pem}',
      /^--tls-private-key-file: .*empty\.pem: /,
    ],
    [
      '--mode=shard --tls-cert-file={tls.crt} --tls-private-key-file={other.key}',
      /^--tls-private-key-file: .* is not the key of/,
    ],
    ['--mode=shard --allow-paths=metrics', /^--allow-paths: "metrics" is no glob of an absolute path$/],
    ['--mode=shard --allow-paths=/{1..9999999}', /^--allow-paths: .* is no glob/],
    ['--mode=shard --client-ca-file={missing}', /^--client-ca-file: .*missing cannot be read: ENOENT$/],
    ['--mode=shard --client-ca-file={empty.pem}', /^--client-ca-file: .*empty\.pem: /],
    ['--mode=shard --client-ca-file={garbage.pem}', /^--client-ca-file: .*garbage\.pem: /],
    ['--mode=shard --requestheader-client-ca-file={garbage.pem}', /^--requestheader-client-ca-file: /],
    ['--mode=shard --token-auth-file={missing}', /^--token-auth-file: .*missing cannot be read: ENOENT$/],
    [
      '--mode=shard --token-auth-file={short.csv}',
      /^--token-auth-file: .*short\.csv:1: expected at least 3 columns/,
    ],
    [
      '--mode=shard --token-auth-file={twice.csv}',
      /^--token-auth-file: .*twice\.csv:2: the token stands in line 1 already$/,
    ],
    ['--mode=shard --token-auth-file={quote.csv}', /^--token-auth-file: .*quote\.csv:\d+: not valid CSV$/],
    [
      '--mode=shard --token-auth-file={groups.csv}',
      /^--token-auth-file: .*groups\.csv:1: a group name is empty$/,
    ],
    ['--mode=shard --anonymous-auth=maybe', /^--anonymous-auth: "maybe" is not true or false$/],
    ['--mode=shard --bootstrap-policy=0', /^--bootstrap-policy: "0" is not true, false or live$/],
    [
      '--mode=shard --authorization-always-allow-paths=/met*rics',
      /^--authorization-always-allow-paths: only trailing \*/,
    ],
    ['--mode=shard --authorization-order=RBAC,Webhook', /^--authorization-order: Webhook needs --authoriz/],
    ['--mode=shard --authorization-order=RBAC,ABAC', /^--authorization-order: "ABAC" is not one of/],
    ['--mode=shard --authorization-order=RBAC,RBAC', /^--authorization-order: RBAC stands there twice$/],
    ['--mode=shard --authorization-order=', /^--authorization-order: names no authorizer$/],
    ['--mode=shard --allow-paths=', /^--allow-paths: "" is no glob/],
    ['--mode=shard --tls-cipher-suites=', /^--tls-cipher-suites: "" is unknown/],
    ['--mode=shard --max-policy-staleness=5', /^--max-policy-staleness: "5" is not a duration/],
    ['--mode=cache-server --max-policy-staleness=banana', /^--max-policy-staleness: "banana" is not a dura/],
    [
      '--mode=cache-server --bootstrap-policy=maybe',
      /^--bootstrap-policy: "maybe" is not true, false or live$/,
    ],
    ['--mode=shard --rbac-dir={missing}', /^--rbac-dir: .*missing/],
    ['--mode=shard --rbac-dir={policy}', /^--rbac-dir: .*broken\.yaml:\d+: /],
    ['--mode=cache-server --rbac-dir={missing}', /^--rbac-dir: .*missing/],
    ['--mode=shard --root-kubeconfig={missing}', /^--root-kubeconfig: .*missing: cannot be read: ENOENT$/],
    ['--mode=shard --root-kubeconfig={policy}', /^--root-kubeconfig: /],
    ['--mode=shard --root-kubeconfig={tls.key}', /^--root-kubeconfig: .*tls\.key: /],
    ['--mode=shard --root-kubeconfig={no-context}', /^--root-kubeconfig: .*no-context: .*current-context/],
    ['--mode=shard --root-kubeconfig={plain-http}', /^--root-kubeconfig: .*plain-http: .*is plain http/],
    ['--mode=shard --root-kubeconfig=', /^--root-kubeconfig: /],
    ['--mode=cache-server --cache-kubeconfig={missing}', /^--cache-kubeconfig: .*missing: /],
    ['--mode=shard --cache-kubeconfig={no-context}', /^--cache-kubeconfig: .*no-context: /],
    ['--mode=shard --bootstrap-policy=live', /^--bootstrap-policy: live needs --root-kubeconfig$/],
    ['--mode=shard --policy-snapshot={missing}', /^--policy-snapshot: needs --root-kubeconfig or --cache/],
    [
      '--mode=shard --root-kubeconfig={kubeconfig} --policy-snapshot={missing}/policy',
      /^--policy-snapshot: .*missing\/policy: /,
    ],
    [
      '--mode=shard --root-kubeconfig={kubeconfig} --policy-snapshot={policy}',
      /^--policy-snapshot: .*: is not a regular file$/,
    ],
    [
      '--mode=shard --root-kubeconfig={kubeconfig} --policy-snapshot={tls.key}',
      /^--policy-snapshot: .*tls\.key: /,
    ],
    ['--mode=shard --log-level=trace', /^--log-level: "trace" is not one of/],
  ];

  it.each(rows)('start %s', async (flags, message) => {
    const args = flags
      .split(' ')
      .filter((flag) => flag !== '')
      .map((flag) =>
        flag.replace(/\{([a-z.-]+)\}/, (_, name: string) => files.get(name) ?? 'no such file in the test'),
      );
    const hasPort = flags.includes('--secure-port');
    const { code, stdout, stderr } = await runCli([
      'start',
      ...(hasPort ? [] : ['--secure-port=0']),
      ...args,
    ]);
    const lines = stderr.trimEnd().split('\n');
    expect({ code, stdout, lines: lines.length }).toEqual({ code: 2, stdout: '', lines: 1 });
    expect(lines[0]).toMatch(message);
    expect(stderr).not.toContain('secret-token');
  });

  it.each([
    ['can-i', /^can-i: pass VERB and PATH, or --filename$/],
    ['can-i get', /^can-i: pass VERB and PATH/],
    ['can-i get /metrics --extra=novalue', /^--extra: "novalue" is not key=value$/],
    ['can-i -f {missing}', /^--filename: .*ENOENT/],
    ['can-i get -f {missing}', /^--filename: .*: leave out VERB$/],
    [
      'can-i get /metrics --user=a --group=b --extra=c=d -f -',
      /^--filename: .*: leave out VERB, PATH, --user, --group, --extra$/,
    ],
    ['can-i -f - --group=', /^--filename: .*: leave out --group$/],
    ['who-can get /metrics --authorization-order=ABAC', /^--authorization-order: "ABAC" is not one of/],
    ['can-i -f {broken.yaml}', /^--filename: .*document 1: /],
    ['can-i -f {tls.crt}', /^--filename: .*document 1: /],
    ['can-i get /metrics --rbac-dir={missing}', /^--rbac-dir: /],
    ['can-i get /metrics --root-kubeconfig={missing}', /^--root-kubeconfig: /],
    ['can-i get /metrics --root-kubeconfig={kubeconfig}', /^--root-kubeconfig: .*ECONNREFUSED/],
    ['replicate', /^--root-kubeconfig: required/],
    ['replicate --root-kubeconfig={missing}', /^--root-kubeconfig: /],
    ['replicate --root-kubeconfig={org}', /^--root-kubeconfig: .*root:org is not the root workspace/],
    ['replicate --root-kubeconfig={kubeconfig} --once=maybe', /^--once: "maybe" is not true or false$/],
    ['who-can get', /^error: missing required argument 'path'$/],
    ['no-such-command', /^error: unknown command 'no-such-command'$/],
  ])('%s', async (line, message) => {
    const args = line
      .split(' ')
      .map((arg) => arg.replace(/\{(.*)\}/, (_, name: string) => files.get(name) ?? ''));
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
  });
});
