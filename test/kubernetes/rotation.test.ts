import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiClient } from '../../src/kubernetes/api-client.js';
import { openApiClient } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { createAuthority } from '../support/certificate-authority.js';
import { ask, createApiSetting, failure, readText, type ApiSetting } from './api-setting.js';
import { closedAtEnd } from '../support/ending.js';
import type { ApiServer } from './api-server.js';
import { base64, kubeconfigText } from './kubeconfig-text.js';

let setting: ApiSetting;
let server: ApiServer;
let warnings: string[];

beforeEach(async () => {
  setting = await createApiSetting();
  server = await setting.startServer();
  warnings = [];
});

const withToken = (token: string): string =>
  kubeconfigText({ cluster: { server: server.url, ...setting.trusted }, user: { token } });

async function open(kubeconfig: string): Promise<ApiClient> {
  return closedAtEnd(await openApiClient({ kubeconfig, onWarning: (message) => warnings.push(message) }));
}

const tokensSeen = (): readonly (string | undefined)[] =>
  server.requests.map(({ headers }) => headers.authorization);

describe('a kubeconfig that is replaced', () => {
  it('counts from the next request on, and open connections are used further', async () => {
    const file = setting.directory.write('kubeconfig', withToken('one'));
    const client = await open(file);
    await ask(client);
    setting.directory.write('kubeconfig', withToken('two'));
    await ask(client);
    setting.directory.write('next', withToken('three'));
    renameSync(join(setting.directory.path, 'next'), file);
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer one', 'Bearer two', 'Bearer three']);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
    expect(warnings).toEqual([]);
  });

  it('is told of by answers: how many times it has changed', async () => {
    setting.directory.write('kubeconfig', withToken('one'));
    const client = await open(join(setting.directory.path, 'kubeconfig'));
    const revision = async (): Promise<number | undefined> => {
      const response = await client.send({ method: 'GET', path: '/version' });
      await readText(response);
      return response.revision;
    };
    expect([await revision(), await revision()]).toEqual([0, 0]);
    setting.directory.write('kubeconfig', withToken('two'));
    expect([await revision(), await revision()]).toEqual([1, 1]);
  });

  it('counts also where it is as long, and as old, as before', async () => {
    const file = setting.directory.write('kubeconfig', withToken('one'));
    utimesSync(file, 1_000_000, 1_000_000);
    const client = await open(file);
    await ask(client);
    setting.directory.write('kubeconfig', withToken('two'));
    utimesSync(file, 1_000_000, 1_000_000);
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer one', 'Bearer two']);
  });

  it('may be for another server', async () => {
    const other = await setting.startServer();
    const file = setting.directory.write('kubeconfig', withToken('one'));
    const client = await open(file);
    await ask(client);
    expect(client.server).toBe(server.url);
    const text = kubeconfigText({ cluster: { server: other.url, ...setting.trusted } });
    setting.directory.write('kubeconfig', text);
    await ask(client);
    expect(client.server).toBe(other.url);
    expect([server.requests.length, other.requests.length]).toEqual([1, 1]);
    await expect.poll(() => server.open.size).toBe(0);
  });

  it.each<[string, problem: string, text: () => string | undefined]>([
    ['is no YAML', ':1: is not YAML: bad indent', () => 'secret: ['],
    ['is empty', ':1: is empty', () => ''],
    ['is missing', ': cannot be read: ENOENT', () => undefined],
    [
      'names a file that is missing',
      ':34: users[0].user.tokenFile names a file that cannot be read: ENOENT',
      () =>
        kubeconfigText({
          cluster: { server: server.url, ...setting.trusted },
          user: { tokenFile: 'missing' },
        }),
    ],
  ])('and then %s leaves the one before in use, and is told of once', async (_, problem, textOf) => {
    const file = setting.directory.write('kubeconfig', withToken('one'));
    const client = await open(file);
    const damage = (): void => {
      const text = textOf();
      if (text === undefined) rmSync(file);
      else writeFileSync(file, text);
    };
    await ask(client);
    damage();
    await ask(client);
    await ask(client);
    expect(warnings).toEqual([`${file}${problem}; the version before stays in use`]);
    setting.directory.write('kubeconfig', withToken('two'));
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer one', 'Bearer one', 'Bearer one', 'Bearer two']);
    damage();
    await ask(client);
    expect(warnings.length).toBe(2);
  });

  it('counts once a file that it names has come', async () => {
    const file = setting.directory.write('kubeconfig', withToken('one'));
    const client = await open(file);
    setting.directory.write(
      'kubeconfig',
      kubeconfigText({ cluster: { server: server.url, ...setting.trusted }, user: { tokenFile: 'late' } }),
    );
    await ask(client);
    setting.directory.write('late', 'two');
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer one', 'Bearer two']);
  });

  it('is not disturbed by who is warned', async () => {
    const file = setting.directory.write('kubeconfig', withToken('one'));
    const onWarning = (): never => {
      throw new Error('secret');
    };
    const client = closedAtEnd(await openApiClient({ kubeconfig: file, onWarning }));
    rmSync(file);
    expect(await ask(client)).toBe(200);
  });
});

describe('a file that a kubeconfig names', () => {
  it('is read anew when it changes: a token', async () => {
    const tokenFile = setting.directory.write('token', 'one\n');
    const client = await open(
      setting.directory.write(
        'kubeconfig',
        kubeconfigText({ cluster: { server: server.url, ...setting.trusted }, user: { tokenFile } }),
      ),
    );
    await ask(client);
    for (const token of ['two\n', 'six\r\n', ' ten ']) {
      setting.directory.write('token', token);
      await ask(client);
    }
    setting.directory.write('token', '');
    await ask(client);
    expect(tokensSeen()).toEqual(['one', 'two', 'six', 'ten', 'ten'].map((token) => `Bearer ${token}`));
    expect(warnings).toEqual([
      expect.stringMatching(/users\[0\]\.user\.tokenFile names a file that is empty; /),
    ]);
  });

  it('is read anew when the link to it moves, as in a Secret that is mounted', async () => {
    const { path } = setting.directory;
    for (const name of ['one', 'two']) {
      mkdirSync(join(path, name));
      writeFileSync(join(path, name, 'token'), name);
    }
    symlinkSync('one', join(path, '..data'));
    symlinkSync('..data/token', join(path, 'token'));
    const client = await open(
      setting.directory.write(
        'kubeconfig',
        kubeconfigText({ cluster: { server: server.url, ...setting.trusted }, user: { tokenFile: 'token' } }),
      ),
    );
    await ask(client);
    symlinkSync('two', join(path, '..next'));
    renameSync(join(path, '..next'), join(path, '..data'));
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer one', 'Bearer two']);
  });

  it('is read anew when it changes: a client certificate, which new connections present', async () => {
    const write = async (commonName: string): Promise<void> => {
      const pair = await setting.authority.issue({ commonName, usage: 'clientAuth' });
      setting.directory.write('tls.crt', pair.certificatePem);
      setting.directory.write('tls.key', pair.privateKeyPem);
    };
    await write('alice');
    const client = await open(
      setting.directory.write(
        'kubeconfig',
        kubeconfigText({
          cluster: { server: server.url, ...setting.trusted },
          user: { 'client-certificate': 'tls.crt', 'client-key': 'tls.key' },
        }),
      ),
    );
    await ask(client);
    await write('bob');
    await ask(client);
    expect(server.requests.map(({ clientName }) => clientName)).toEqual(['alice', 'bob']);
    await expect.poll(() => server.open.size).toBe(1);
    const half = await setting.authority.issue({ commonName: 'carol', usage: 'clientAuth' });
    setting.directory.write('tls.crt', half.certificatePem);
    await ask(client);
    setting.directory.write('tls.key', half.privateKeyPem);
    await ask(client);
    expect(server.requests.map(({ clientName }) => clientName)).toEqual(['alice', 'bob', 'bob', 'carol']);
    expect(warnings).toEqual([
      expect.stringMatching(/users\[0\]\.user\.client-key does not belong to the certificate; /),
    ]);
  });

  it('is read anew when it changes: the authority of the server', async () => {
    const file = setting.directory.write('ca.crt', setting.authority.certificatePem);
    const client = await open(
      setting.directory.write(
        'kubeconfig',
        kubeconfigText({ cluster: { server: server.url, 'certificate-authority': file } }),
      ),
    );
    await ask(client);
    const next = await createAuthority({ commonName: 'next-ca' });
    server.serveWith(await next.issue({ usage: 'serverAuth', ipAddresses: ['127.0.0.1'] }));
    for (const socket of server.open) socket.destroy();
    expect(await failure(client)).toMatch(/not signed by a known authority/);
    setting.directory.write('ca.crt', next.certificatePem);
    expect(await ask(client)).toBe(200);
    setting.directory.write('ca.crt', setting.authority.certificatePem);
    expect(await failure(client)).toMatch(/not signed by a known authority/);
    setting.directory.write('ca.crt', setting.authority.certificatePem + next.certificatePem);
    expect(await ask(client)).toBe(200);
    expect(warnings).toEqual([]);
  });

  it('does not run an exec plugin again that stayed as it is', async () => {
    const counter = join(setting.directory.path, 'runs');
    const plugin = join(setting.directory.path, 'plugin');
    const apiVersion = 'client.authentication.k8s.io/v1beta1';
    const credential = `{"apiVersion":"${apiVersion}","kind":"ExecCredential","status":{"token":"'$(wc -l < '${counter}')'"}}`;
    writeFileSync(plugin, `#!/bin/sh\necho run >> '${counter}'\necho '${credential}' | tr -d ' '\n`, {
      mode: 0o755,
    });
    const write = (argument: string, cluster: object): string =>
      setting.directory.write(
        'kubeconfig',
        kubeconfigText({
          cluster: { server: server.url, ...setting.trusted, ...cluster },
          user: { exec: { apiVersion, command: plugin, args: [argument] } },
        }),
      );
    const client = await open(write('a', {}));
    await ask(client);
    write('a', { 'certificate-authority-data': base64(`# other\n${setting.authority.certificatePem}`) });
    await ask(client);
    write('b', {});
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer 1', 'Bearer 1', 'Bearer 2']);
  });
});
