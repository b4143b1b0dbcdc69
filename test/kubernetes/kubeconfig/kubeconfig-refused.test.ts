import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FilesRead } from '../../../src/files/files-read.js';
import { readKubeconfig } from '../../../src/kubernetes/kubeconfig/kubeconfig.js';
import { createAuthority } from '../../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { base64, kubeconfigText } from '../kubeconfig-text.js';
import { KubeconfigError } from '../../../src/kubernetes/kubernetes-errors.js';

/** Stands in every place where a secret may stand, by right or by mistake. */
const secret = 'S3cr3tMarker';
const server = 'https://127.0.0.1:6443';

const directory = temporaryDirectory();

const ca = await createAuthority({ commonName: 'ca' });
const authority = ca;
const alice = await ca.issue({ commonName: 'alice', usage: 'clientAuth' });
const bob = await ca.issue({ commonName: 'bob', usage: 'clientAuth' });

/** The message, behind the file's name and the line, if it tells one. */
async function refusal(text: string): Promise<string> {
  const file = directory.write('kubeconfig', text);
  const error: unknown = await readKubeconfig(file, new FilesRead()).then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KubeconfigError);
  expect(error).toMatchObject({ name: 'KubeconfigError', code: 'ERR_KUBECONFIG' });
  const { message } = error as KubeconfigError;
  expect(message).not.toContain(secret);
  expect(message).not.toContain(base64(secret).slice(0, 12));
  expect(message).not.toMatch(/\p{Cc}/u);
  expect(message.startsWith(file)).toBe(true);
  return message.slice(file.length).replace(/^(?::\d+)?: /, '');
}

const withCluster = (cluster: Readonly<Record<string, unknown>>): string =>
  kubeconfigText({ cluster, user: { token: secret } });
const withUser = (user: Readonly<Record<string, unknown>>): string =>
  kubeconfigText({ cluster: { server }, user });
const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', env: [] };

describe('a kubeconfig is refused for', () => {
  it.each<[string, () => string, string]>([
    ['nothing in it', () => '', 'is empty'],
    ['a comment', () => `# ${secret}`, 'is empty'],
    ['a text', () => secret, 'a document must be an object, not a string'],
    ['a list', () => `[${secret}]`, 'a document must be an object, not a list'],
    ['another kind', () => `{kind: ${secret}}`, 'kind must be Config'],
    ['no YAML', () => `a: "${secret}\nb: [`, 'is not YAML: missing char'],
    ['a tab', () => `users:\n\t- ${secret}`, 'is not YAML: tab as indent'],
    ['a list as a key', () => `? [${secret}]\n: b`, 'is not YAML: non string key'],
    ['a key that is given twice', () => `${secret}: 1\n${secret}: 2`, 'duplicate key, first on line 1'],
    ['a second document', () => `a: 1\n---\n${secret}: 2`, 'holds a second document'],
    ['an alias without anchor', () => `a: *${secret}`, 'no anchor before the alias'],
    ['an alias of itself', () => `a: &${secret} {b: *${secret}}`, 'an alias cannot be followed'],
    [
      'aliases that multiply',
      () =>
        [
          'a0: &a0 [x]',
          ...Array.from({ length: 9 }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at},`.repeat(9)}]`),
        ].join('\n'),
      'an alias cannot be followed',
    ],
    ['many aliases', () => `a: &a 1\nb: [${'*a,'.repeat(101)}]`, 'more than 100 aliases in one document'],
    ['depth', () => '['.repeat(200_000), 'nested deeper than 64 levels'],
    ['many values', () => `[${'1,'.repeat(60_000)}]`, 'more than 50000 values in one document'],
    ['its size', () => `# ${secret}${'x'.repeat(1024 * 1024)}`, 'is larger than 1048576 bytes'],
    ['no current context', () => '{contexts: []}', 'current-context is missing'],
    ['an empty current context', () => 'current-context: ""', 'current-context must not be empty'],
    [
      'a current context that is a number',
      () => 'current-context: 5',
      'current-context must be a string, not a number',
    ],
    [
      'an unknown current context',
      () => `{current-context: ${secret}, contexts: [{name: a}]}`,
      'current-context is the name of none of the contexts',
    ],
    [
      'contexts that are no list',
      () => '{current-context: a, contexts: {}}',
      'contexts must be a list, not an object',
    ],
    [
      'a context of nothing',
      () => '{current-context: a, contexts: [{name: a}]}',
      'contexts[0].context is missing',
    ],
    [
      'a name that is given twice',
      () => '{current-context: a, contexts: [{name: a}, {name: b}, {name: a}]}',
      'contexts[2].name is given twice',
    ],
    [
      'a context without cluster',
      () => `{current-context: a, contexts: [{name: a, context: {user: ${secret}}}]}`,
      'contexts[0].context.cluster is missing',
    ],
    [
      'an unknown cluster',
      () => `{current-context: a, contexts: [{name: a, context: {cluster: ${secret}}}]}`,
      'contexts[0].context.cluster is the name of none of the clusters',
    ],
    [
      'an unknown user',
      () => withUser({}).replace('"user": "scraper"', `"user": "${secret}"`),
      'contexts[1].context.user is the name of none of the users',
    ],
    [
      'a cluster from a prototype',
      () => '{current-context: a, contexts: [{name: a, context: {__proto__: {cluster: c}}}]}',
      'contexts[0].context.cluster is missing',
    ],
    [
      'a cluster that is a text',
      () => withCluster({ server }).replace(/"cluster": \{[^}]*\}/, '"cluster": 5'),
      'clusters[0].cluster must be an object, not a number',
    ],
    ['no server', () => withCluster({}), 'clusters[0].cluster.server is missing'],
    ...[5, true, ['x']].map((value): [string, () => string, string] => [
      `a server that is ${JSON.stringify(value)}`,
      () => withCluster({ server: value }),
      `clusters[0].cluster.server must be a string, not a ${Array.isArray(value) ? 'list' : typeof value}`,
    ]),
    ...[secret, 'localhost:6443', 'https://', 'ftp://host', 'https://a b', 'https:host', '//host'].map(
      (value): [string, () => string, string] => [
        `the server ${value}`,
        () => withCluster({ server: value }),
        'clusters[0].cluster.server must be an http or https URL',
      ],
    ),
    [
      'credentials in the server',
      () => withCluster({ server: `https://user:${secret}@host` }),
      'clusters[0].cluster.server must not hold credentials',
    ],
    [
      'a query in the server',
      () => withCluster({ server: `https://host/?token=${secret}` }),
      'clusters[0].cluster.server must not have a query or a fragment',
    ],
    [
      'plain http',
      () => withCluster({ server: 'http://127.0.0.1:8080' }),
      'clusters[0].cluster.server is plain http, which only insecure-skip-tls-verify allows',
    ],
    [
      'plain http behind a proxy',
      () => withCluster({ server: 'http://127.0.0.1:8080', 'proxy-url': 'http://127.0.0.1:3128' }),
      'clusters[0].cluster.server is plain http, which only insecure-skip-tls-verify allows',
    ],
    [
      'insecure-skip-tls-verify that is a text',
      () => withCluster({ server, 'insecure-skip-tls-verify': 'true' }),
      'clusters[0].cluster.insecure-skip-tls-verify must be true or false, not a string',
    ],
    [
      'an authority that is left unused',
      () =>
        withCluster({
          server,
          'insecure-skip-tls-verify': true,
          'certificate-authority-data': base64(authority.certificatePem),
        }),
      'clusters[0].cluster.insecure-skip-tls-verify cannot be combined with certificate-authority, which would then not be used',
    ],
    [
      'an authority file that is missing',
      () => withCluster({ server, 'certificate-authority': secret }),
      'clusters[0].cluster.certificate-authority names a file that cannot be read: ENOENT',
    ],
    [
      'an authority file that is a directory',
      () => withCluster({ server, 'certificate-authority': '.' }),
      'clusters[0].cluster.certificate-authority names a file that is no regular file',
    ],
    [
      'a file name that no file can have',
      () => withCluster({ server, 'certificate-authority': `${secret}\0` }),
      'clusters[0].cluster.certificate-authority names a file that cannot be read: ERR_INVALID_ARG_VALUE',
    ],
    [
      'an authority that is no base64',
      () => withCluster({ server, 'certificate-authority-data': `-----${secret}` }),
      'clusters[0].cluster.certificate-authority-data must be base64',
    ],
    [
      'an authority that is no certificate',
      () => withCluster({ server, 'certificate-authority-data': base64(secret) }),
      'clusters[0].cluster.certificate-authority-data holds no PEM certificate',
    ],
    [
      'an authority that cannot be read',
      () =>
        withCluster({
          server,
          'certificate-authority-data': base64(
            `${authority.certificatePem}-----BEGIN CERTIFICATE-----\n${base64(secret)}\n-----END CERTIFICATE-----\n`,
          ),
        }),
      'clusters[0].cluster.certificate-authority-data holds a certificate that cannot be read',
    ],
    [
      'an authority that is cut off',
      () =>
        withCluster({
          server,
          'certificate-authority-data': base64(
            authority.certificatePem + authority.certificatePem.slice(0, 300),
          ),
        }),
      'clusters[0].cluster.certificate-authority-data holds a certificate that cannot be read',
    ],
    [
      'a server name that is none',
      () => withCluster({ server, 'tls-server-name': `${secret}/` }),
      'clusters[0].cluster.tls-server-name must be a host name',
    ],
    ...[secret, 'ftp://host', '127.0.0.1:3128', 'http://'].map((value): [string, () => string, string] => [
      `the proxy ${value}`,
      () => withCluster({ server, 'proxy-url': value }),
      'clusters[0].cluster.proxy-url must be an http, https or socks5 URL',
    ]),
    [
      'an IPv6 proxy',
      () => withCluster({ server, 'proxy-url': `http://user:${secret}@[::1]:3128` }),
      'clusters[0].cluster.proxy-url must have a host name or an IPv4 address',
    ],
    [
      'a proxy with broken credentials',
      () => withCluster({ server, 'proxy-url': `http://user:${secret}%zz@host` }),
      'clusters[0].cluster.proxy-url has credentials with a broken percent-encoding',
    ],
    [
      'a certificate without key',
      () => withUser({ 'client-certificate-data': base64(alice.certificatePem) }),
      'users[0].user.client-key is required with client-certificate',
    ],
    [
      'a key without certificate',
      () => withUser({ 'client-key-data': base64(alice.privateKeyPem) }),
      'users[0].user.client-certificate is required with client-key',
    ],
    [
      'a key in place of the certificate',
      () =>
        withUser({
          'client-certificate-data': base64(alice.privateKeyPem),
          'client-key-data': base64(alice.privateKeyPem),
        }),
      'users[0].user.client-certificate-data holds no PEM certificate',
    ],
    [
      'a key in place of the name of its file',
      () =>
        withUser({
          'client-certificate-data': base64(alice.certificatePem),
          'client-key': base64(`${secret}${alice.privateKeyPem}`),
        }),
      'users[0].user.client-key names a file that cannot be read: ENAMETOOLONG',
    ],
    [
      'a key that is none',
      () =>
        withUser({
          'client-certificate-data': base64(alice.certificatePem),
          'client-key-data': base64(secret),
        }),
      'users[0].user.client-key-data holds no PEM private key without passphrase',
    ],
    [
      "someone else's key",
      () =>
        withUser({
          'client-certificate-data': base64(alice.certificatePem),
          'client-key-data': base64(bob.privateKeyPem),
        }),
      'users[0].user.client-key-data does not belong to the certificate',
    ],
    [
      'a user that is a text',
      () => withUser({}).replace('"user": {}', `"user": "${secret}"`),
      'users[0].user must be an object, not a string',
    ],
    [
      'a token that is a number',
      () => withUser({ token: 12345 }),
      'users[0].user.token must be a string, not a number',
    ],
    [
      'a token of two lines',
      () => withUser({ token: `${secret}\r\nX-Remote-User: root` }),
      'users[0].user.token holds a character that no header can carry',
    ],
    [
      'a token file that is missing',
      () => withUser({ tokenFile: secret }),
      'users[0].user.tokenFile names a file that cannot be read: ENOENT',
    ],
    [
      'a token file that is empty',
      () => (directory.write('empty', ' \n'), withUser({ tokenFile: 'empty' })),
      'users[0].user.tokenFile names a file that is empty',
    ],
    [
      'a token file of two lines',
      () => (directory.write('two', `${secret}\n${secret}`), withUser({ tokenFile: 'two' })),
      'users[0].user.tokenFile holds a character that no header can carry',
    ],
    [
      'a token file that is large',
      () => (directory.write('large', secret.repeat(10_000)), withUser({ tokenFile: 'large' })),
      'users[0].user.tokenFile names a file that is larger than 65536 bytes',
    ],
    [
      'a field that only one client knows',
      () => withUser({ 'token-file': secret }),
      'users[0].user.token-file is not a field of a kubeconfig; use tokenFile',
    ],
    [
      'two ways to be someone',
      () => withUser({ token: secret, username: 'joe', password: secret }),
      'users[0].user has more than one of exec, token and username',
    ],
    [
      'a token beside an exec plugin',
      () => withUser({ token: secret, exec }),
      'users[0].user has more than one of exec, token and username',
    ],
    ['a password without name', () => withUser({ password: secret }), 'users[0].user.username is missing'],
    [
      'a name with a colon',
      () => withUser({ username: `joe:${secret}` }),
      'users[0].user.username must not hold a colon',
    ],
    ...['as-uid', 'as-groups', 'as-user-extra'].map((key): [string, () => string, string] => [
      key,
      () => withUser({ as: 'alice', [key]: [secret] }),
      `users[0].user.${key} is not supported: only as is`,
    ]),
    [
      'impersonating nobody that a header can name',
      () => withUser({ as: `${secret}\nImpersonate-Group: system:masters` }),
      'users[0].user.as holds a character that no header can carry',
    ],
    [
      'an auth-provider',
      () => withUser({ 'auth-provider': { name: 'oidc', config: { 'id-token': secret } } }),
      'users[0].user.auth-provider is not supported: use exec',
    ],
    [
      'an exec plugin without apiVersion',
      () => withUser({ exec: { command: secret } }),
      'users[0].user.exec.apiVersion is missing',
    ],
    [
      'an exec plugin of another version',
      () => withUser({ exec: { ...exec, apiVersion: secret } }),
      'users[0].user.exec.apiVersion must be one of client.authentication.k8s.io/v1, client.authentication.k8s.io/v1beta1',
    ],
    [
      'an exec plugin without command',
      () => withUser({ exec: { ...exec, command: '' } }),
      'users[0].user.exec.command must not be empty',
    ],
    ...[secret, `./${secret}`, `/${secret}`].map((command): [string, () => string, string] => [
      `the exec plugin ${command}`,
      () => withUser({ exec: { ...exec, command } }),
      'users[0].user.exec.command is no program that can be run',
    ]),
    [
      'an exec plugin that wants a terminal',
      () => withUser({ exec: { ...exec, interactiveMode: 'Always' } }),
      'users[0].user.exec.interactiveMode must not be Always: there is no terminal',
    ],
    [
      'arguments that are no texts',
      () => withUser({ exec: { ...exec, args: [secret, 5] } }),
      'users[0].user.exec.args[1] must be a string, not a number',
    ],
    [
      'an environment that is no list',
      () => withUser({ exec: { ...exec, env: { TOKEN: secret } } }),
      'users[0].user.exec.env must be a list, not an object',
    ],
    [
      'a variable without name',
      () => withUser({ exec: { ...exec, env: [{ value: secret }] } }),
      'users[0].user.exec.env[0].name is missing',
    ],
  ])('%s', async (_, text, message) => {
    expect(await refusal(text())).toBe(message);
  });

  it.each([
    ['is missing', 'nothing-here', 'cannot be read: ENOENT'],
    ['is a directory', '.', 'is no regular file'],
  ])('a file that %s', async (_, name, problem) => {
    const file = join(directory.path, name);
    await expect(readKubeconfig(file, new FilesRead())).rejects.toThrow(new KubeconfigError(file, problem));
  });

  it.each([
    ['a syntax error', 'a: 1\nb: [', 'is not YAML: bad indent'],
    ['a repeated key', `a: 1\na: 2`, 'duplicate key, first on line 1'],
    ['a value', 'kind: Config\ncurrent-context: [a]', 'current-context must be a string, not a list'],
    ['a value that is missing', '\nkind: Config', 'current-context is missing'],
  ])('the line of %s is told', async (_, text, problem) => {
    const file = directory.write('kubeconfig', text);
    await expect(readKubeconfig(file, new FilesRead())).rejects.toThrow(`${file}:2: ${problem}`);
  });
});
