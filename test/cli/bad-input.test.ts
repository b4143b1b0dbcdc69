import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/program.js';
import { localAuthority } from '../support/local-authority.js';
import { rsaPair } from '../support/rsa-pair.js';
import { runProcess } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

describe('start refuses what it cannot use: exit code 2, one line naming the flag, nothing listening', () => {
  const directory = temporaryDirectory();
  const files = new Map<string, string>();
  beforeAll(async () => {
    const { authority, serving: pair } = await localAuthority();
    const other = await authority.issue({ commonName: 'localhost', usage: 'serverAuth' });
    const write = (name: string, text: string): void => {
      files.set(name, directory.write(name, text));
    };
    write('tls.crt', pair.certificatePem);
    write('tls.key', pair.privateKeyPem);
    write('other.key', other.privateKeyPem);
    write('ca.crt', authority.certificatePem);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const pkcs8 = { format: 'pem', type: 'pkcs8' } as const;
    write('account.key', rsa.privateKey.export(pkcs8).toString());
    write('account.pub', rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString());
    write('short.key', short.privateKey.export(pkcs8).toString());
    const locked = { ...pkcs8, cipher: 'aes-128-cbc', passphrase: 'secret-token' };
    write('locked.key', rsa.privateKey.export(locked).toString());
    const rsaServing = await rsaPair('localhost');
    write('rsa.crt', rsaServing.certificatePem);
    write('rsa.key', rsaServing.privateKeyPem);
    write('text', 'secret-token\n');
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
    write('all', kubeconfig('https://127.0.0.1:1/clusters/*', 'x'));
    write('no-context', kubeconfig('https://127.0.0.1:1', 'y'));
    write('plain-http', kubeconfig('http://127.0.0.1:1', 'x'));
    write('broken.yaml', 'kind: ClusterRole\nmetadata: {name: x\n');
    write(
      'annotated',
      JSON.stringify({
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: { annotations: { 'kcp.io/cluster': 'c1' } },
        spec: { user: 'alice', nonResourceAttributes: { verb: 'get', path: '/metrics' } },
      }),
    );
    const review = (spec: object): object => ({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec,
    });
    const nonResourceAttributes = { verb: 'get', path: '/metrics' };
    const resourceAttributes = { verb: 'get', resource: 'pods' };
    const reviews = {
      neither: review({ user: 'a', nonResourceAttributes: null }),
      both: review({ user: 'a', nonResourceAttributes, resourceAttributes }),
      nobody: review({ user: '', groups: [], nonResourceAttributes }),
      resource: {
        kind: 'List',
        items: [review({ groups: ['a'], resourceAttributes }), review({ resourceAttributes })],
      },
      text: review({ user: 'a', nonResourceAttributes: '/metrics' }),
      uid: review({ user: 'a', uid: 5, nonResourceAttributes }),
      verb: review({ user: 'a', resourceAttributes: { ...resourceAttributes, verb: ['get'] } }),
    };
    for (const [name, given] of Object.entries(reviews)) write(`${name}.json`, JSON.stringify(given));
    files.set('missing', `${directory.path}/missing`);
    files.set('policy', directory.path);
  });
  /** With the files' paths in place of their names. */
  const argumentsOf = (line: string): string[] =>
    line
      .split(' ')
      .filter((flag) => flag !== '')
      .map((flag) =>
        flag.replaceAll(
          /\{([a-z.-]+)\}/g,
          (_, name: string) => files.get(name) ?? 'no such file in the test',
        ),
      );

  /** Of what stands in private keys, and of what is called a secret. */
  const expectNoSecret = (text: string): void => {
    expect(text).not.toContain('secret-token');
    const keys = [...files].filter(([name]) => name.endsWith('.key')).map(([, file]) => readFileSync(file));
    const lines = keys
      .flatMap((key) => key.toString().split('\n'))
      .filter((line) => /^[\w+/]{16}/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => text.includes(line))).toEqual([]);
  };

  const listening = (): string[] =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap');

  /** The one line that is printed, after which nothing listens. */
  const refusal = async (args: readonly string[]): Promise<string> => {
    const printed: string[] = [];
    const lines: string[] = [];
    const code = await run(args, {
      print: (line) => printed.push(line),
      printError: (line) => lines.push(line),
      stopRequested: () => Promise.resolve(),
    });
    expect({ code, printed, lines: lines.length }).toEqual({ code: 2, printed: [], lines: 1 });
    const [line = ''] = lines;
    expect(line).not.toContain('\n');
    expectNoSecret(line);
    // Node lets go of an address that could not be bound a moment later.
    await vi.waitFor(() => {
      expect(listening()).toEqual([]);
    }, 10_000);
    return line;
  };

  /** What is typed, and the message: from its start where it says ^, else behind the name of the last flag. */
  type Refusals = Readonly<Record<string, RegExp>>;
  const rowsOf = (refusals: Refusals): readonly (readonly [line: string, message: RegExp])[] =>
    Object.entries(refusals).map(([line, { source }]) => {
      const [flag] = /--[\w-]+(?!.* --)/.exec(line) ?? [];
      return [line, new RegExp(source.startsWith('^') ? source : `^${flag}: ${source}`)];
    });

  const rows: Refusals = {
    '--mode=front-proxy': /"front-proxy" is not one of shard, cache-server$/,
    '--tls-cert-fle=secret-token': /^error: unknown option '--tls-cert-fle'; did you mean --tls-cert-file\?$/,
    '--clientCAFile': /^error: unknown option '--clientCAFile'; did you mean --client-ca-file\?$/,
    '--oidc-clientID=secret-token':
      /^error: unknown option: --oidc-clientID of kube-rbac-proxy is --oidc-client-id here$/,
    '--mode=cache-server --max-policy-staleness=banana': /"banana" is not a dura/,
    '--mode=cache-server --bootstrap-policy=maybe': /"maybe" is not true, false or live$/,
    '--mode=cache-server --workspace-metrics --workspace-rbac-dir={policy}':
      /^--workspace-metrics: a cache server has no workspaces: /,
    '--mode=cache-server --rbac-dir={missing}': /.*missing/,
    '--root-kubeconfig=in-cluster': /in-cluster: KUBERNETES_SERVICE_HOST is not set, as/,
    '--authentication-kubeconfig=in-cluster': /in-cluster: KUBERNETES_SERVICE_/,
    '--mode=cache-server --cache-kubeconfig={missing}': /.*missing: /,
    '--config={missing}': /.*missing cannot be read: ENOENT$/,
    '--config={policy}': /.* is no regular file$/,
    '--config={text}': /^\S*text:1: a document must be an object, not a string$/,
    '--config={kubeconfig}': /^\S*kubeconfig:1: apiVersion: required: kcp-metrics-filter\/v1alpha1$/,
    '--config={tls.key}': /^\S*tls\.key:\d+: /,
  };
  const account = '--service-account-issuer=issuer --service-account-key-file';
  const published = '--service-account-issuer=issuer --service-account-jwks-uri';
  const oidc = '--oidc-issuer-url=https://127.0.0.1:1 --oidc-client-id=id';
  const tokenReview = '--authentication-kubeconfig={kubeconfig}';
  const tokenWebhook = '--authentication-token-webhook-config-file={kubeconfig}';
  const accessReview = '--authorization-kubeconfig={kubeconfig}';
  const accessWebhook = '--authorization-webhook-config-file={kubeconfig}';
  const tokenTtl = '--authentication-token-webhook-cache-ttl';
  const unauthenticatedTtl = '--authentication-token-webhook-cache-unauthenticated-ttl';
  const authorizedTtl = '--authorization-webhook-cache-authorized-ttl';
  const unauthorizedTtl = '--authorization-webhook-cache-unauthorized-ttl';
  const shardRows: Refusals = {
    '--no-such-flag': /^error: unknown option '--no-such-flag'$/,
    stray: /^error: too many arguments/,
    '--secure-port=65536': /"65536" is not a port/,
    '--secure-port=-1': /"-1" is not a port/,
    '--secure-port=1e3': /"1e3" is not a port/,
    '--enable-z-pages=yes': /"yes" is not true or false$/,
    '--bind-address=localhost': /"localhost" is not an IP address$/,
    '--bind-address=192.0.2.1': /^--bind-address, --secure-port: listen E/,
    '--tls-min-version=VersionTLS11': /"VersionTLS11" is not one of/,
    '--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA': /"TLS_RSA_WITH_RC4_128_SHA" is not one of TLS_AES_128/,
    '--tls-cipher-suites=__proto__': /"__proto__" is not one of/,
    '--tls-cert-file={tls.crt}': /^--tls-private-key-file: required with --tls-cert-file$/,
    '--tls-private-key-file={tls.key}': /^--tls-cert-file: required with/,
    '--tls-cert-file={missing} --tls-private-key-file={tls.key}':
      /^--tls-cert-file: .*missing cannot be read: ENOENT$/,
    '--tls-cert-file={garbage.pem} --tls-private-key-file={tls.key}': /^--tls-cert-file: .*garbage\.pem: /,
    '--tls-cert-file={tls.crt} --tls-private-key-file={empty.pem}': /.*empty\.pem: /,
    '--tls-sni-cert-key=': /"" must begin with/,
    '--tls-sni-cert-key={tls.crt}': /".*tls\.crt" must begin with/,
    '--tls-sni-cert-key={tls.crt},{tls.key}:': /"" is not a domain name/,
    '--tls-sni-cert-key={tls.crt},{tls.key}:a.example,a.*.example':
      /"a\.\*\.example" is not a domain name, \*\.domain or IP address$/,
    '--tls-sni-cert-key={tls.crt},{missing}:a.example': /.*missing cannot be read: ENOENT$/,
    '--tls-sni-cert-key={garbage.pem},{tls.key}': /.*garbage\.pem: /,
    '--tls-sni-cert-key={rsa.crt},{rsa.key}': /needs a key of type ec, as the pair of .*rsa\.key has rsa$/,
    '--allow-paths=metrics': /"metrics" is no glob of an absolute path$/,
    '--allow-paths=/{1..9999999}': /.* is no glob/,
    '--ignore-paths=metrics': /"metrics" is no absolute path with nothing/,
    '--ignore-paths=/metrics/**': /"\/metrics\/\*\*" is no absolute path/,
    '--ignore-paths=/metrics --allow-paths=/metrics':
      /^--ignore-paths: cannot be combined with --allow-paths$/,
    '--auth-header-fields-enabled=maybe': /"maybe" is not true/,
    '--auth-header-fields-enabled': /needs --upstream or --gateway-path$/,
    '--auth-header-fields-enabled --upstream=http://app.example.org':
      /^--auth-header-fields-enabled: needs an --upstream on a loopback address, or an https one/,
    '--auth-header-user-field-name=x-user': /needs --auth-header-fields-enabled$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-user-field-name=Host':
      /"Host" has another meaning$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-user-field-name=x/user':
      /"x\/user" is not a header field name$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-groups-field-name=Authorization':
      /"Authorization" has another meaning$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-groups-field-name=X-Remote-User':
      /is also the field of the user$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-groups-field-name=a:b':
      /"a:b" is not a header field name$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --auth-header-groups-field-separator=':
      /must be 1 to 8 characters of printable ASCII$/,
    '--tenant-header=X-Tenant=cn': /needs --upstream or --gateway-path$/,
    '--upstream=http://app.example.org --tenant-header=X-Tenant=cn':
      /needs an --upstream on a loopback address, or an https one/,
    '--upstream=http://127.0.0.1 --tenant-header=X-Tenant': /"X-Tenant" must be NAME=cn/,
    '--upstream=http://127.0.0.1 --tenant-header=Cookie=cn': /"Cookie" has another meaning$/,
    '--upstream=http://127.0.0.1 --tenant-header=X-Tenant=group:system:':
      /every user is in a group that begins with "system:"$/,
    '--upstream=http://127.0.0.1 --tenant-header=x=cn --tenant-header=X=group:t:': /X would be sent twice$/,
    '--upstream=http://127.0.0.1 --auth-header-fields-enabled --tenant-header=x-remote-user=cn':
      /x-remote-user would be sent twice$/,
    '--client-ca-file={missing}': /.*missing cannot be read: ENOENT$/,
    '--client-ca-file={empty.pem}': /.*empty\.pem: /,
    '--client-ca-file={garbage.pem}': /.*garbage\.pem: /,
    '--requestheader-client-ca-file={garbage.pem}': /^--requestheader-client-ca-file: /,
    '--client-ca-file={ca.crt} --requestheader-client-ca-file={ca.crt}':
      /^--requestheader-allowed-names: required: clients of "CN=.*" are also accepted as front proxies/,
    '--token-auth-file={missing}': /.*missing cannot be read: ENOENT$/,
    '--token-auth-file={short.csv}': /.*short\.csv:1: expected at least 3 columns/,
    '--token-auth-file={twice.csv}': /.*twice\.csv:2: the token stands in line 1 already$/,
    '--token-auth-file={quote.csv}': /.*quote\.csv:\d+: not valid CSV$/,
    '--token-auth-file={groups.csv}': /.*groups\.csv:1: a group name is empty$/,
    '--anonymous-auth=maybe': /"maybe" is not true or false$/,
    '--bootstrap-policy=0': /"0" is not true, false or live$/,
    '--authorization-always-allow-paths=/met*rics': /only trailing \*/,
    '--authorization-order=RBAC,Webhook': /Webhook needs --authoriz/,
    '--authorization-order=RBAC,ABAC': /"ABAC" is not one of/,
    '--authorization-order=RBAC,RBAC': /RBAC is listed twice$/,
    '--authorization-order=': /must list an authorizer$/,
    '--allow-paths=': /"" is no glob/,
    '--tls-cipher-suites=': /"" is not one of/,
    '--audit-log-path=\t': /must name a file$/,
    '--audit-log-path=': /must name a file$/,
    '--audit-log-path={policy}': /.* cannot be written to: EISDIR$/,
    '--audit-log-path={text}/audit.log': /.* cannot be written to: E/,
    '--audit-log-maxage=1': /needs --audit-log-path$/,
    '--audit-log-path=- --audit-log-maxage=-1': /"-1" is not a number/,
    '--audit-log-path=- --audit-log-maxbackup=many': /"many" is not/,
    '--audit-log-path=- --audit-log-maxsize=1.5': /"1.5" is not/,
    '--audit-log-path=- --audit-log-maxsize=1': /standard output is not/,
    '--audit-log-path=- --audit-log-mode=blocking-strict': /"blocking-s/,
    '--audit-log-path=- --audit-log-format=legacy': /"legacy" is not/,
    '--audit-log-path=- --audit-log-batch-buffer-size=0': /"0" is not a number from 1 to 1000000$/,
    '--audit-log-path=- --audit-log-mode=blocking --audit-log-batch-buffer-size=5':
      /has no effect with --audit-log-mode=blocking$/,
    '--max-policy-staleness=5': /"5" is not a duration/,
    '--workspace-metrics': /needs --workspace-rbac-dir or --workspace-kubeconfig$/,
    '--workspace-metrics=maybe': /"maybe" is not true or false$/,
    '--workspace-rbac-dir={policy}': /needs --workspace-metrics$/,
    '--workspace-metrics=false --workspace-kubeconfig={kubeconfig}': /needs --workspace-metrics$/,
    '--workspace-metrics --workspace-rbac-dir={missing}': /.*missing: does not exist$/,
    '--workspace-metrics --workspace-rbac-dir={policy}': /.*broken\.yaml:\d+: /,
    '--workspace-metrics --workspace-kubeconfig={no-context}': /.*no-context:\d+: current-context/,
    '--workspace-metrics --workspace-rbac-dir={policy} --upstream=https://app.example.org --auth-header-fields-enabled':
      /^--workspace-metrics: shares one rendering among all users/,
    '--workspace-label=workspace': /needs --workspace-metrics$/,
    '--workspace-metrics-max-age=1s': /needs --workspace-metrics$/,
    '--workspace-metrics --workspace-rbac-dir={policy} --workspace-kubeconfig={kubeconfig}':
      /cannot be combined with --workspace-rbac-dir$/,
    '--workspace-metrics --workspace-label=a-b': /"a-b" is no label name$/,
    '--workspace-metrics --workspace-label=le': /"le" belongs to histograms/,
    '--workspace-metrics --workspace-label=': /"" is no label name$/,
    '--workspace-metrics --workspace-metrics-max-age=0s': /"0s" is not between 1ms and 1h$/,
    '--rbac-dir={missing}': /.*missing/,
    '--rbac-dir={policy}': /.*broken\.yaml:\d+: /,
    '--root-kubeconfig={missing}': /.*missing: cannot be read: ENOENT$/,
    '--root-kubeconfig={policy}': /^--root-kubeconfig: /,
    '--root-kubeconfig={tls.key}': /.*tls\.key:/,
    '--root-kubeconfig={no-context}': /.*no-context:\d+: current-context/,
    '--root-kubeconfig={plain-http}': /.*plain-http:.*is plain http/,
    '--root-kubeconfig=': /^--root-kubeconfig: /,
    '--root-kubeconfig={all}': /.*all: its server is all logical clusters \(\/clusters\/\*\), whose owners/,
    '--root-kubeconfig={org}': /.*org: its server is another workspace \(\/clusters\/root:org\), but only/,
    '--root-kubeconfig={all} --bootstrap-policy=live': /^--root-kubeconfig: .* is all logical clusters/,
    '--cache-kubeconfig={no-context}': /.*no-context:/,
    '--bootstrap-policy=live': /live needs --root-kubeconfig$/,
    '--policy-snapshot={missing}': /needs --root-kubeconfig or --cache/,
    '--root-kubeconfig={kubeconfig} --policy-snapshot={missing}/policy': /.*missing\/policy: /,
    '--root-kubeconfig={kubeconfig} --policy-snapshot={policy}': /.*: is not a regular file$/,
    '--root-kubeconfig={kubeconfig} --policy-snapshot={tls.key}': /.*tls\.key: /,
    '--log-level=trace': /"trace" is not one of/,
    '--max-requests-per-second-by-identity=-1': /"-1" is not a number from 0 to 1000000$/,
    '--max-requests-per-second-by-identity=0.5': /"0.5" is not a number from 0 to 1000000$/,
    '--max-requests-per-second-by-address=1000001': /"1000001" is not a number from 0 to 1000000$/,
    '--max-connections=': /"" is not a number from 0 to 1000000$/,
    '--max-connections-by-address=x': /"x" is not a number/,
    '--max-handshake-time-by-address=11s': /"11s" is not between 0s and 10s$/,
    '--max-handshake-time-by-address=500': /"500" is not a duration/,
    '--max-header-bytes=4095': /"4095" is not a number from 4096 to 262144$/,
    '--max-header-bytes=1MiB': /"1MiB" is not a number from 4096/,
    '--header-timeout=0s': /"0s" is not between 1ms and 596h$/,
    '--header-timeout=597h': /"597h" is not between 1ms and 596h$/,
    '--idle-timeout=0s': /"0s" is not between 1s and 595h$/,
    '--idle-timeout=75': /"75" is not a duration/,
    '--tls-handshake-timeout=0ms': /"0ms" is not between 1ms/,
    '--maintenance-file=\t': /must name a file$/,
    '--maintenance-file=': /must name a file$/,
    '--maintenance-file={policy}': /.* is no regular file$/,
    '--workers=2 --maintenance-file={policy}': /.* is no regular file$/,
    '--shutdown-delay-duration=-1s': /"-1s" is not a duration/,
    '--shutdown-delay-duration=25h': /"25h" is not between 0s and 24h$/,
    '--shutdown-timeout=soon': /"soon" is not a duration/,
    '--workers=0': /"0" is not a number from 1 to 64$/,
    '--workers=65': /"65" is not a number from 1 to 64$/,
    '--workers=two': /"two" is not a number from 1 to 64$/,
    '--workers=': /"" is not a number from 1 to 64$/,
    '--workers=2 --audit-log-path={missing}':
      /^--workers: more than 1 worker cannot write to the file of --audit-log-path; use -$/,
    '--workers=2 --rbac-dir={missing}': /.*missing/,
    '--workers=2 --client-ca-file={empty.pem}': /.*empty\.pem: /,
    // Service accounts' keys in files
    [`${account}={missing}`]: /.*missing cannot be read: ENOENT$/,
    [`${account}=`]: /must name a file$/,
    [`${account}={policy}`]: /.* is no regular file$/,
    [`${account}={garbage.pem}`]: /.*garbage\.pem: PEM block 1 is no certificate/,
    [`${account}={text}`]: /.*text: there is no key in PEM$/,
    [`${account}={empty.pem}`]: /.*empty\.pem: there is no key in PEM$/,
    [`${account}={locked.key}`]: /.*locked\.key: PEM block 1 is encrypted$/,
    [`${account}={short.key}`]: /.*short\.key: PEM block 1 has 1024 bits/,
    [`${account}={account.pub},{missing}`]: /.*missing cannot be read: ENOENT$/,
    [`${account}={account.pub} --service-account-key-file={text}`]: /.*text: there is no key/,
    '--service-account-key-file={account.key}': /needs --service-account-issuer$/,
    '--service-account-key-file={account.key} --service-account-issuer=,':
      /is empty; leave it out, or list at least one name$/,
    // and at a URL
    [`${account}={account.pub} --service-account-jwks-uri=https://127.0.0.1:1/keys`]:
      /cannot be combined with --service-account-key-file$/,
    '--service-account-jwks-uri=https://127.0.0.1:1/keys': /needs --service-account-issuer$/,
    [`${published}=http://127.0.0.1/keys`]: /must be an https URL/,
    [`${published}=https://user:secret-token@127.0.0.1:1/keys`]: /must be an https URL/,
    [`${published}=https://127.0.0.1:1/keys#secret-token`]: /must be an https URL/,
    [`${published}={account.pub}`]: /must be an https URL/,
    [`${published}=`]: /must be an https URL/,
    '--service-account-jwks-ca-file={ca.crt}': /needs --service-account-jwks-uri$/,
    [`${published}=https://127.0.0.1:1 --service-account-jwks-ca-file={garbage.pem}`]:
      /.*garbage\.pem: certificate 1 /,
    [`${published}=https://127.0.0.1:1 --service-account-jwks-ca-file={account.key}`]: /.*account\.key: /,
    [`${published}=https://127.0.0.1:1 --service-account-jwks-ca-file={missing}`]:
      /.*missing cannot be read: ENOENT$/,
    // OpenID
    '--oidc-issuer-url=https://127.0.0.1:1': /needs --oidc-client-id$/,
    '--oidc-client-id=id': /needs --oidc-issuer-url$/,
    '--oidc-ca-file={ca.crt}': /needs --oidc-issuer-url$/,
    '--oidc-username-claim=sub': /needs --oidc-issuer-url$/,
    '--oidc-username-prefix=-': /needs --oidc-issuer-url$/,
    '--oidc-groups-claim=groups': /needs --oidc-issuer-url$/,
    '--oidc-groups-prefix=oidc:': /needs --oidc-issuer-url$/,
    '--oidc-signing-algs=RS256': /needs --oidc-issuer-url$/,
    '--oidc-required-claim=a=b': /needs --oidc-issuer-url$/,
    '--oidc-issuer-url=http://host --oidc-client-id=id': /^--oidc-issuer-url: must be an https URL/,
    '--oidc-issuer-url=https://user:secret-token@127.0.0.1:1 --oidc-client-id=id':
      /^--oidc-issuer-url: must be an https URL without user name/,
    '--oidc-issuer-url=https://127.0.0.1:1?key=secret-token --oidc-client-id=id':
      /^--oidc-issuer-url: must have no query$/,
    '--oidc-issuer-url=https://127.0.0.1:1#a --oidc-client-id=id': /^--oidc-issuer-url: must be an https URL/,
    '--oidc-issuer-url= --oidc-client-id=id': /^--oidc-issuer-url: must be an https URL/,
    '--oidc-issuer-url=https://127.0.0.1:1 --oidc-client-id=': /must not be empty$/,
    [`${oidc} --oidc-ca-file={missing}`]: /.*missing cannot be read: ENOENT$/,
    [`${oidc} --oidc-ca-file={garbage.pem}`]: /.*garbage\.pem: certificate 1 /,
    [`${oidc} --oidc-ca-file={text}`]: /.*text: /,
    [`${oidc} --oidc-username-claim=`]: /must not be empty$/,
    [`${oidc} --oidc-username-prefix=system:`]: /must not begin with system:/,
    [`${oidc} --oidc-groups-claim=`]: /must not be empty$/,
    [`${oidc} --oidc-groups-claim=g --oidc-groups-prefix=system:x`]: /must not begin with system:/,
    [`${oidc} --oidc-signing-algs=HS256`]: /"HS256" is not one of RS256, /,
    [`${oidc} --oidc-signing-algs=RS256,none`]: /"none" is not one of RS256, /,
    [`${oidc} --oidc-signing-algs=rs256`]: /"rs256" is not one of RS256, /,
    [`${oidc} --oidc-signing-algs=`]: /must name an algorithm$/,
    [`${oidc} --oidc-required-claim=claim`]: /"claim" is not key=value$/,
    [`${oidc} --oidc-required-claim==value`]: /"=value" is not key=value$/,
    [`${oidc} --oidc-required-claim=`]: /"" is not key=value$/,
    [`${oidc} --oidc-required-claim=a=b,a=c`]: /"a" is given twice$/,
    [`${oidc} --oidc-required-claim=a=b --oidc-required-claim=a=b`]: /"a" is given twice$/,
    // Token reviews
    '--authentication-kubeconfig={missing}': /.*missing: cannot be read: ENO/,
    '--authentication-kubeconfig={no-context}': /.*:\d+: current-context /,
    '--authentication-kubeconfig={plain-http}': /.*is plain http, /,
    '--authentication-kubeconfig={text}': /.*text:/,
    '--authentication-token-webhook-config-file={missing}': /.*missing: cannot be read: ENOENT$/,
    '--authentication-token-webhook-config-file={no-context}': /.*:\d+: current-context /,
    '--authentication-token-webhook-config-file={plain-http}': /.*is plain http, /,
    [`${tokenReview} ${tokenWebhook}`]: /cannot be combined with --authentication-kubeconfig$/,
    '--authentication-token-webhook-version=v1beta1': /needs --authentication-token-webhook-config-file$/,
    [`${tokenReview} --authentication-token-webhook-version=v1`]:
      /needs --authentication-token-webhook-config-file$/,
    [`${tokenWebhook} --authentication-token-webhook-version=v2`]: /"v2" is not one of v1, v1beta1$/,
    [`${tokenWebhook} --authentication-token-webhook-version=`]: /"" is not one of v1, v1beta1$/,
    [`${tokenTtl}=1m`]: /needs --authentication-kubeconfig or /,
    [`${unauthenticatedTtl}=1m`]: /needs --authentication-kubeconfig or /,
    [`${tokenReview} ${tokenTtl}=5`]: /"5" is not a duration such as /,
    [`${tokenReview} ${tokenTtl}=-1s`]: /"-1s" is not a duration such as /,
    [`${tokenWebhook} ${unauthenticatedTtl}=soon`]: /"soon" is not a duration such as /,
    // Access reviews
    '--authorization-kubeconfig={missing}': /.*missing: cannot be read: ENOENT$/,
    '--authorization-kubeconfig={no-context}': /.*:\d+: current-context /,
    '--authorization-kubeconfig={plain-http}': /.*is plain http, /,
    '--authorization-kubeconfig={account.key}': /.*account\.key:/,
    '--authorization-webhook-config-file={missing}': /.*missing: cannot be read: ENOENT$/,
    '--authorization-webhook-config-file={plain-http}': /.*is plain http, /,
    [`${accessReview} ${accessWebhook}`]: /cannot be combined with --authorization-kubeconfig$/,
    [`${accessReview} --authorization-order=AlwaysAllowGroups,RBAC`]:
      /^--authorization-kubeconfig: --authorization-order does not list Webhook/,
    [`${accessWebhook} --authorization-order=RBAC`]:
      /^--authorization-webhook-config-file: --authorization-order does not list Webhook/,
    '--authorization-webhook-version=v1': /needs --authorization-webhook-config-file$/,
    [`${accessReview} --authorization-webhook-version=v1beta1`]: /needs --authorization-webhook-config-file$/,
    [`${accessWebhook} --authorization-webhook-version=V1`]: /"V1" is not one of v1, v1beta1$/,
    [`${authorizedTtl}=1m`]: /needs --authorization-kubeconfig or /,
    [`${unauthorizedTtl}=1m`]: /needs --authorization-kubeconfig or /,
    '--authorization-webhook-stale-ttl=1h': /needs --authorization-kubeconfig or /,
    [`${accessReview} ${authorizedTtl}=`]: /"" is not a duration such as /,
    [`${accessReview} ${unauthorizedTtl}=1`]: /"1" is not a duration such as /,
    [`${accessWebhook} --authorization-webhook-stale-ttl=forever`]: /"forever" is not a duration such as /,
    // An upstream
    '--upstream=http://user:secret-token@127.0.0.1/metrics': /must not hold credentials$/,
    '--upstream=ftp://127.0.0.1/metrics': /must be an http or https URL such as /,
    '--upstream=127.0.0.1:8080': /must be an http or https URL such as /,
    '--upstream=http://127.0.0.1/metrics#secret-token': /must not have a fragment$/,
    '--upstream=': /must be an http or https URL such as /,
    '--upstream-ca-file={ca.crt}': /needs --upstream or --gateway-path$/,
    '--upstream-client-cert-file={tls.crt}': /needs --upstream or --gateway-path$/,
    '--upstream-client-key-file={tls.key}': /needs --upstream or --gateway-path$/,
    '--upstream-server-name=app': /needs --upstream or --gateway-path$/,
    '--upstream=http://127.0.0.1 --upstream-ca-file={ca.crt}': /needs an https --upstream$/,
    '--upstream=http://127.0.0.1 --upstream-server-name=app': /needs an https --upstream$/,
    '--upstream=https://127.0.0.1:1 --upstream-ca-file={missing}': /.*missing cannot be read: ENOENT$/,
    '--upstream=https://127.0.0.1:1 --upstream-ca-file={text}': /.*text holds no PEM certificate$/,
    '--upstream=https://127.0.0.1:1 --upstream-ca-file={garbage.pem}': /.*garbage\.pem holds a /,
    '--upstream=https://127.0.0.1:1 --upstream-client-cert-file={tls.crt}':
      /^--upstream-client-key-file: required with --upstream-client-cert-file$/,
    '--upstream=https://127.0.0.1:1 --upstream-client-key-file={tls.key}':
      /^--upstream-client-cert-file: required with --upstream-client-key-file$/,
    '--upstream=https://127.0.0.1:1 --upstream-client-cert-file={text} --upstream-client-key-file={tls.key}':
      /^--upstream-client-cert-file: .*text holds no PEM certificate$/,
    '--upstream=https://127.0.0.1:1 --upstream-client-cert-file={tls.crt} --upstream-client-key-file={other.key}':
      /^--upstream-client-cert-file: --upstream-client-key-file .*other\.key does not belong to the certificate$/,
    '--upstream=https://127.0.0.1:1 --upstream-client-cert-file={tls.crt} --upstream-client-key-file={text}':
      /^--upstream-client-cert-file: --upstream-client-key-file .*text holds no PEM private key/,
    '--upstream=https://127.0.0.1:1 --upstream-server-name=a\tb': /"a\\tb" is not a host name$/,
    '--upstream=https://127.0.0.1:1 --upstream-server-name=a/b': /"a\/b" is not a host name$/,
    // The gateway
    '--gateway-path=': /must be a path and a URL: \/api\/v1\/push=http:/,
    '--gateway-path=/push': /must be a path and a URL: /,
    '--gateway-path=push=http://127.0.0.1': /must be a path and a URL: /,
    '--gateway-path=/push=secret-token': /must be an http or https URL such as /,
    '--gateway-path=/push=http://user:secret-token@127.0.0.1': /must not hold credentials$/,
    '--gateway-path=/push=http://127.0.0.1/?a=secret-token':
      /the URL of \/push must not have a query or a comma$/,
    '--gateway-path=/push=http://127.0.0.1#a': /must not have a fragment$/,
    '--gateway-path=/loki/*=http://127.0.0.1/loki':
      /the URL of \/loki\/\* must not have a path: the one that was asked for is passed on$/,
    '--gateway-path=/*=http://127.0.0.1': /must be a path and a URL: /,
    '--gateway-path=/pu*=http://127.0.0.1': /must be a path and a URL: /,
    '--gateway-path=/push/=http://127.0.0.1': /must be a path and a URL: /,
    '--gateway-path=/a//b=http://127.0.0.1': /must be a path and a URL: /,
    '--gateway-path=/a/../b=http://127.0.0.1': /\/a\/\.\.\/b has a meaning of its own/,
    '--gateway-path=/metrics=http://127.0.0.1': /\/metrics has a meaning of its own/,
    '--gateway-path=/METRICS=http://127.0.0.1': /\/METRICS has a meaning of its own/,
    '--gateway-path=/metrics/*=http://127.0.0.1': /\/metrics\/\* has a meaning of its own/,
    '--gateway-path=/readyz/a=http://127.0.0.1': /\/readyz\/a has a meaning of its own/,
    '--gateway-path=/api=http://127.0.0.1': /\/api has a meaning of its own/,
    '--gateway-path=/openid/*=http://127.0.0.1': /\/openid\/\* has a meaning of its own/,
    '--gateway-path=/.well-known/*=http://127.0.0.1': /\/\.well-known\/\* has a meaning of its own/,
    '--gateway-path=/flagz=http://127.0.0.1': /\/flagz has a meaning of its own/,
    '--gateway-path=/http-sd/*=http://127.0.0.1': /\/http-sd\/\* has a meaning of its own/,
    '--gateway-path=/clusters/a=http://127.0.0.1': /\/clusters\/a has a meaning of its own/,
    '--gateway-path=/shards/*=http://127.0.0.1': /\/shards\/\* has a meaning of its own/,
    '--gateway-path=/push=http://127.0.0.1 --gateway-path=/push=http://127.0.0.1:1': /\/push is given twice$/,
    '--gateway-path=/push=http://127.0.0.1 --authorization-always-allow-paths=/pu*':
      /^--gateway-path: \/push cannot be open to everybody, as "\/pu\*" of --authorization-always-allow-paths says$/,
    '--gateway-max-body=1000': /needs --gateway-path$/,
    '--gateway-timeout=1s': /needs --gateway-path$/,
    '--gateway-max-bytes-per-second-by-identity=1': /needs --gateway-path$/,
    '--gateway-path=/push=http://127.0.0.1 --gateway-max-body=0': /"0" is not a number /,
    '--gateway-path=/push=http://127.0.0.1 --gateway-timeout=2m': /"2m" is not between /,
    '--gateway-path=/push=http://app.example.org --tenant-header=X-Tenant=cn':
      /needs an --upstream on a loopback address, or an https one/,
    // Several upstreams
    '--upstream=http://127.0.0.1:1,http://127.0.0.1:2': /several upstreams each need a name, such as /,
    '--upstream=http://127.0.0.1:1 --upstream=a=http://127.0.0.1:2': /several upstreams each need a name/,
    '--upstream=a=http://127.0.0.1:1,http://127.0.0.1:2': /several upstreams each need a name/,
    '--upstream=a=http://127.0.0.1:1,a=http://127.0.0.1:2': /the name "a" is given twice$/,
    '--upstream=a=http://127.0.0.1:1,b=127.0.0.1:2': /a comma in a URL.s host or path must be followed by/,
    '--upstream=a=http://127.0.0.1/metrics,b=secret-token': /a comma in a URL.s host or path must be/,
    '--upstream=a=http://127.0.0.1,b=ftp://secret-token': /must be an http or https URL such as /,
    '--upstream=a=': /must be an http or https URL such as /,
    '--upstream=a=secret-token': /must be an http or https URL such as /,
    '--upstream=a"b=http://127.0.0.1': /a name must be 1 to 63 of /,
    '--upstream==http://127.0.0.1': /a name must be 1 to 63 of A-Z/,
    '--upstream=secret\t-token=http://127.0.0.1': /a name must be 1 to 63 of A-Z/,
    '--upstream=a=http://user:secret-token@127.0.0.1': /must not hold credentials$/,
    '--upstream=a=http://127.0.0.1 --upstream-ca-file={ca.crt}': /needs an https --upstream$/,
    '--upstream-pass-query=target': /needs --upstream$/,
    '--upstream=http://127.0.0.1 --upstream-pass-query=,': /is empty; leave it out/,
    '--upstream=http://127.0.0.1 --upstream-pass-query=a&b': /"a&b" is no name/,
    '--upstream=http://127.0.0.1 --upstream-pass-query=a=b': /"a=b" is no name/,
    '--upstream=http://127.0.0.1 --upstream-pass-query=\t': /is empty; leave it out/,
    '--upstream=http://127.0.0.1/?a=1 --upstream-pass-query=a': /"a" is in the URL of an upstream already$/,
    '--upstream-label=shard': /needs an --upstream with a name: name=URL$/,
    '--upstream=http://127.0.0.1 --upstream-label=shard': /needs an --upstream with a name: name=URL$/,
    '--upstream=http://127.0.0.1 --upstream-label=': /needs an --upstream with a name/,
    '--upstream=a=http://127.0.0.1 --upstream-label=le': /"le" belongs to histograms/,
    '--upstream=a=http://127.0.0.1 --upstream-label=a-b': /"a-b" is no label name$/,
    '--upstream=a=http://127.0.0.1 --upstream-label=__name__': /"__name__" is reserved /,
    '--upstream-path=': /must be a path below \/metrics\/ and a URL: /,
    '--upstream-path=http://127.0.0.1': /must be a path below \/metrics\/ and a URL: /,
    ...Object.fromEntries(
      ['healthz', 'metrics', 'metrics/', 'metrics/../a', 'metrics/a%2fb', 'metrics/a/', 'metrics/a?x'].map(
        (path) => [`--upstream-path=/${path}=http://127.0.0.1`, /must be a path below \/metrics\//],
      ),
    ),
    '--upstream-path=/metrics/a': /must be a path below \/metrics\//,
    '--upstream-path=/metrics/a=http://127.0.0.1,/metrics/a=http://127.0.0.2': /\/metrics\/a is given twice$/,
    '--upstream-path=/metrics/a=secret-token': /must be an http or https URL such as /,
    '--upstream-path=/metrics/slis=http://127.0.0.1': /\/metrics\/slis is served by /,
    '--upstream-path=/metrics/filter=http://127.0.0.1': /\/metrics\/filter is served by /,
    '--upstream-path=/metrics/a=http://127.0.0.1 --upstream-path=/metrics/a=http://127.0.0.1':
      /\/metrics\/a is given twice$/,
    // What is served of it
    '--keep-metrics=': /^--keep-metrics: /,
    '--keep-metrics=a\tb': /^--keep-metrics: /,
    '--drop-metrics=': /^--drop-metrics: /,
    '--drop-metrics=a/b': /"a\/b" has a character/,
    '--drop-metrics=*a*b*c*d*': /.* has more than 3 stars$/,
    '--drop-labels=le': /^--drop-labels: /,
    '--rename-labels=a': /"a" is not old=new$/,
    '--rename-labels=a=b,a=c': /"a" is given twice$/,
    '--rename-labels=a=le': /^--rename-labels: /,
    '--label-mapping-file={missing}': /.*missing cannot be read: ENOENT$/,
    '--label-mapping-file={broken.yaml}': /.*broken\.yaml:\d+: /,
    '--virtual-cluster=dev': /^--host-kubeconfig: required with --virtual-cluster$/,
    '--host-kubeconfig={kubeconfig}': /^--virtual-cluster: required with --host-kubeconfig$/,
    ...Object.fromEntries(
      ['', 'a/b/c', '/dev', 'team-a/', 'Dev', 'dev,app=x', '*', '**/dev', 'a'.repeat(64)].map((name) => [
        `--host-kubeconfig={kubeconfig} --virtual-cluster=${name}`,
        /".*" is not name, namespace\/name or \*\/name$/,
      ]),
    ),
    '--virtual-cluster=dev --host-kubeconfig={missing}': /.*missing: cannot be read: ENOENT$/,
    '--virtual-cluster=dev --host-kubeconfig={policy}': /^--host-kubeconfig: /,
    '--virtual-cluster=dev --host-kubeconfig={no-context}': /.*no-context:\d+: current-c/,
    '--on-metric-conflict=ignore': /"ignore" is not one of fail, leave-out$/,
    '--enable-open-metrics=1': /"1" is not true or false$/,
    '--disable-compression=gzip': /"gzip" is not true or false$/,
    '--max-series=many': /"many" is not a number from 0 to 999999999$/,
    '--max-series=-1': /"-1" is not a number from 0 to 999999999$/,
    '--max-series=1e3': /^--max-series: /,
    '--collector-timeout=0s': /"0s" is not between 1ms and 596h$/,
    '--component-slis=maybe': /^--component-slis: /,
    '--max-scrapes-in-flight=few': /"few" is not a number from 0/,
    '--max-scrapes-in-flight=-1': /"-1" is not a number from 0/,
    '--scrape-freshness=1': /"1" is not a duration such as /,
    '--scrape-freshness=600h': /"600h" is not between 0s and 596h$/,
    '--scrape-write-timeout=0s': /"0s" is not between 1ms and 596h$/,
    '--scrape-deadline=-1s': /"-1s" is not a duration such as /,
    '--scrape-deadline=597h': /"597h" is not between 0s and 596h$/,
    '--scrape-write-timeout=soon': /"soon" is not a duration such as /,
    '--collector-timeout=soon': /"soon" is not a duration such as /,
  };

  // In this process: whatever a failed start left listening would be seen.
  it.each([
    ...rowsOf(rows),
    ...rowsOf(shardRows).map(([flags, message]) => [`--mode=shard ${flags}`, message] as const),
  ])('start %s', async (flags, message) => {
    const port = flags.includes('--secure-port') ? [] : ['--secure-port=0'];
    expect(await refusal(['start', ...port, ...argumentsOf(flags)])).toMatch(message);
  });

  // They wait for seconds: for the other file of a pair, and for a server.
  it.concurrent.each(
    rowsOf({
      'start --mode=shard --secure-port=0 --tls-cert-file={tls.crt} --tls-private-key-file={other.key}':
        /.* is not the key of/,
      'start --mode=shard --secure-port=0 --tls-sni-cert-key={tls.crt},{tls.key} --tls-sni-cert-key={tls.crt},{other.key}':
        /.*other\.key is not the key of .*tls\.crt$/,
      'can-i get /metrics --root-kubeconfig={kubeconfig}': /.*ECONNREFUSED/,
    }),
  )('%s', async (line, message) => {
    expect(await refusal(argumentsOf(line))).toMatch(message);
  });

  it.concurrent.each(
    rowsOf({
      'start --mode=shards': /"shards" is not one of shard, cache-server$/,
      'start --mode=shard --no-such-flag': /^error: unknown option '--no-such-flag'$/,
      'start --mode=shard --secure-port=0 --rbac-dir={missing}': /.*missing/,
      'start --mode=shard --secure-port=0 --workers=2 --rbac-dir={missing}': /.*missing/,
      'start --mode=shard --secure-port=0 --workers=2 --bind-address=192.0.2.1':
        /^--bind-address, --secure-port: bind E/,
      'can-i': /^can-i: pass VERB and PATH, or --filename$/,
      'no-such-command': /^error: unknown command 'no-such-command'$/,
    }),
  )(
    '%s, as a process of its own',
    async (line, message) => {
      const { code, stdout, stderr } = await runProcess(argumentsOf(line));
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^[^\n]+\n$/);
      expect(stderr.trimEnd()).toMatch(message);
    },
    // All of them start at once, beside whatever else this machine does.
    60_000,
  );

  const narrowing = words(`
    --requestheader-allowed-names --requestheader-username-headers --requestheader-group-headers
    --requestheader-extra-headers-prefix --api-audiences --service-account-issuer --oidc-signing-algs
    --oidc-required-claim --tls-cipher-suites --authorization-order --allow-paths --ignore-paths
    --keep-metrics --tenant-header
  `);
  const blanks = ['', ' ', ',', ' , ', ',,', '\t'];
  const settings = [
    '--requestheader-client-ca-file={ca.crt}',
    '--authentication-kubeconfig={kubeconfig}',
    '--oidc-issuer-url=https://127.0.0.1:1',
    '--oidc-client-id=id',
  ];
  it.each(narrowing.flatMap((flag) => blanks.map((blank) => ({ flag, blank }))))(
    '$flag=$blank, which would narrow who may',
    async ({ flag, blank }) => {
      const args = [
        'start',
        '--mode=shard',
        '--bind-address=127.0.0.1',
        '--secure-port=0',
        `${flag}=${blank}`,
      ];
      const line = await refusal([...args, ...settings.flatMap(argumentsOf)]);
      expect(line.startsWith(`${flag}: `)).toBe(true);
    },
  );

  const certified = '--mode=shard --tls-cert-file=tls.crt --tls-private-key-file=tls.key';
  const byToken = `${certified} --service-account-key-file=sa.pub --service-account-issuer=issuer --api-audiences=a`;
  it.each(
    rowsOf({
      'can-i': /^can-i: pass VERB and PATH, or --filename$/,
      'can-i get': /^can-i: pass VERB and PATH/,
      'can-i get /metrics --mode=root': /"root" is not one of shard, cache-server$/,
      'can-i get /metrics --extra=novalue': /"novalue" is not key=value$/,
      'can-i -f {missing}': /^--filename: .*ENOENT/,
      'can-i get -f {missing}': /^--filename: .*: leave out VERB$/,
      'can-i get /metrics --user=a --group=b --extra=c=d -f -':
        /^--filename: .*: leave out VERB, PATH, --user, --group, --extra$/,
      'can-i -f - --group=': /^--filename: .*: leave out --group$/,
      'who-can get /metrics --authorization-order=ABAC': /"ABAC" is not one of/,
      'can-i -f {broken.yaml}': /^--filename: .*document 1: /,
      'can-i -f {neither.json}':
        /^--filename: .*document 1: spec must have exactly one of nonResourceAttributes and resourceAttributes$/,
      'can-i -f {both.json}':
        /^--filename: .*document 1: spec must have exactly one of nonResourceAttributes and resourceAttributes$/,
      'can-i -f {nobody.json}': /^--filename: .*document 1: spec must have a user or groups$/,
      'can-i -f {resource.json}': /^--filename: .*document 1: items\[1\]\.spec must have a user or groups$/,
      'can-i -f {text.json}':
        /^--filename: .*document 1: spec.nonResourceAttributes must be an object, not a string$/,
      'can-i -f {uid.json}': /^--filename: .*document 1: spec.uid must be a string, not a number$/,
      'can-i -f {verb.json}':
        /^--filename: .*document 1: spec.resourceAttributes.verb must be a string, not a list$/,
      'can-i -f {tls.crt}': /^--filename: .*document 1: line \d+: /,
      'can-i get /metrics --rbac-dir={missing}': /^--rbac-dir: /,
      'can-i get /metrics --workspace=root:wa': /needs --workspace-rbac-dir or --workspace-kube/,
      'who-can get /metrics --workspace=root:wa': /needs --workspace-rbac-dir or --workspace-k/,
      'can-i get /metrics --workspace=x --workspace-rbac-dir={missing}': /.*missing/,
      'can-i --workspace=x -f {annotated} --workspace-rbac-dir={policy}':
        /^--filename: already contains the questions: leave out --workspace$/,
      'can-i -f {annotated}': /^--filename: needs --workspace-rbac-dir or --workspace-kubeconfig$/,
      'can-i get /metrics --root-kubeconfig={missing}': /^--root-kubeconfig: /,
      'can-i get /metrics --root-kubeconfig={all}': /.* is all logical clusters/,
      'can-i get /metrics --root-kubeconfig=in-cluster': /in-cluster: KUBERNETES_SERVICE_/,
      'replicate --root-kubeconfig=in-cluster': /in-cluster: KUBERNETES_SERVICE_HOST is not set/,
      replicate: /^--root-kubeconfig: required/,
      'replicate --root-kubeconfig={missing}': /^--root-kubeconfig: /,
      'replicate --root-kubeconfig={org}': /.*root:org is not the root workspace/,
      'replicate --root-kubeconfig={kubeconfig} --once=maybe': /"maybe" is not true or false$/,
      'who-can get': /^error: missing required argument 'path'$/,
      'can-i get /metrics --config={text}': /^\S*text:1: a document must be an object, not a string$/,
      'who-can get /metrics --config={missing}': /.*ENOENT$/,
      'demo --check=maybe': /"maybe" is not true or false$/,
      completion: /^error: missing required argument 'shell'$/,
      'completion csh': /^completion: "csh" is not one of bash, zsh, fish$/,
      manifests: /^error: missing required argument 'kind'$/,
      'manifests deployment': /^manifests: "deployment" is not one of clusterrolebinding, service, /,
      [`manifests service ${certified} --scraper=prometheus`]: /"prometheus" is not serviceaccount:/,
      [`manifests service ${certified} --scraper=user:`]: /"user:" is not serviceaccount:/,
      [`manifests service ${byToken} --scraper=serviceaccount:prometheus`]:
        /"serviceaccount:prometheus" is not/,
      'manifests service --mode=shards': /"shards" is not one of/,
      [`manifests service ${byToken} --secure-port=0`]: /0 picks another port at each start/,
      [`manifests service ${byToken} --secure-port=x`]: /"x" is not a port/,
      'manifests service --mode=shard': /^--tls-cert-file: required: without it/,
      [`manifests service ${certified}`]: /^--scraper: cannot be authenticated: needs --service-account-k/,
      [`manifests service ${certified} --service-account-issuer=https://kubernetes.default.svc`]:
        /^--scraper: cannot be authenticated: needs --service-account-key-file or /,
      [`manifests service ${byToken} --allow-paths=/readyz`]: /includes no path with metrics$/,
      [`manifests service ${certified} --scraper=user:a`]:
        /cannot be authenticated: needs --client-ca-file or --token-auth-file or/,
      'manifests service --mode=cache-server --tls-cert-file=a --tls-private-key-file=b --client-ca-file=c --scraper=user:a':
        /^--rbac-dir: required: without a policy, a cache server grants scrapers nothing/,
      [`manifests service ${byToken} --name=A`]: /"A" is not 1 to 63 lower-case letters/,
      [`manifests service ${byToken} --namespace=a.b`]: /"a\.b" is not 1 to 63/,
      [`manifests service ${byToken} --server-name=a_b`]: /"a_b" is not a DNS name/,
      [`manifests service ${byToken} --upstream=ftp://a`]: /^--upstream: /,
      [`manifests scrape-job ${byToken} --workspace-metrics`]:
        /needs --workspace-rbac-dir or --workspace-kubeconfig$/,
      'manifests service --config={missing}': /.*ENOENT$/,
      'manifests rule-file --runbook-url=secret': /"secret" is not an http or https URL without/,
      'manifests rule-file --runbook-url=https://a#b': /"https:\/\/a#b" is not an http or/,
      migrate: /^error: missing required argument 'program'$/,
      'migrate nginx': /^migrate: "nginx" is not one of kube-rbac-proxy$/,
      'migrate kube-rbac-proxy {missing}': /^migrate: .*missing cannot be read: ENOENT$/,
      'migrate kube-rbac-proxy {text}': /^\S*text:1: a document must be an object, not a string$/,
      'migrate kube-rbac-proxy {text} {text}': /^migrate: an argument is neither the one file nor a flag$/,
      'migrate kube-rbac-proxy --print=both': /"both" is not one of all, config, rbac$/,
      'migrate kube-rbac-proxy --scraper=a': /"a" is not serviceaccount:NAMESPACE:NAME, user:/,
      'migrate kube-rbac-proxy --upstrem=secret-token':
        /^migrate: --upstrem is no flag of kube-rbac-proxy 0\.21; did you mean --upstream\?$/,
      'migrate kube-rbac-proxy --upstream': /^migrate: --upstream: has no value$/,
      'migrate kube-rbac-proxy --upstream=secret-token': /^migrate: --upstream: not a URL$/,
      'migrate kube-rbac-proxy --secure-listen-address=secret-token':
        /^migrate: --secure-listen-address: not HOST:P/,
      'migrate kube-rbac-proxy --auth-header-fields-enabled=secret-token':
        /^migrate: --auth-header-fields-enabled: /,
      'migrate kube-rbac-proxy --secure-listen-address=:70000': /^securePort: |^--secure-port: /,
      'schema stray': /^error: too many arguments/,
      'no-such-command': /^error: unknown command 'no-such-command'$/,
      strat: /^error: unknown command 'strat'; did you mean start\?$/,
    }),
  )('%s', async (line, message) => {
    expect(await refusal(argumentsOf(line))).toMatch(message);
  });
});
