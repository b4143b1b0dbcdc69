import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type IssuedCertificate } from '../support/certificate-authority.js';
import { ask, createApiSetting, failure, type ApiSetting } from '../kubernetes/api-setting.js';
import type { ApiServer } from '../kubernetes/api-server.js';
import { base64 } from '../kubernetes/kubeconfig-text.js';
import { listenHttp } from '../support/listening.js';

let setting: ApiSetting;
let server: ApiServer;
let alice: IssuedCertificate;

beforeAll(async () => {
  setting = await createApiSetting();
  server = await setting.startServer();
  alice = await setting.authority.issue({ commonName: 'alice', usage: 'clientAuth' });
});

describe('a client of a kubeconfig', () => {
  it('presents its certificate', async () => {
    const client = await setting.open({
      cluster: { server: server.url, ...setting.trusted },
      user: {
        'client-certificate-data': base64(alice.certificatePem),
        'client-key-data': base64(alice.privateKeyPem),
      },
    });
    expect(await ask(client)).toBe(200);
    expect(server.requests.at(-1)).toMatchObject({ clientName: 'alice', url: '/version' });
    expect(server.requests.at(-1)?.headers.authorization).toBe(undefined);
  });

  it('presents certificates of files', async () => {
    const client = await setting.open({
      cluster: {
        server: server.url,
        'certificate-authority': setting.directory.write('ca.crt', setting.authority.certificatePem),
      },
      user: {
        'client-certificate': setting.directory.write('tls.crt', alice.certificatePem),
        'client-key': setting.directory.write('tls.key', alice.privateKeyPem),
      },
    });
    expect(await ask(client)).toBe(200);
    expect(server.requests.at(-1)?.clientName).toBe('alice');
  });

  it.each([
    ['a token', { token: 'secret' }, { authorization: 'Bearer secret' }],
    [
      'a name and a password',
      { username: 'joe', password: 'pässword:' },
      { authorization: `Basic ${base64('joe:pässword:')}` },
    ],
    ['a name alone', { username: 'joe' }, { authorization: `Basic ${base64('joe:')}` }],
    [
      'someone else to act as',
      { token: 'secret', as: 'alice of example.com' },
      { authorization: 'Bearer secret', 'impersonate-user': 'alice of example.com' },
    ],
  ])('sends %s', async (_, user, headers) => {
    const client = await setting.open({ cluster: { server: server.url, ...setting.trusted }, user });
    expect(await ask(client)).toBe(200);
    expect(server.requests.at(-1)).toMatchObject({ headers, clientName: undefined });
  });

  it('knows the server by its authority also where the context has no user', async () => {
    const client = await setting.open({ cluster: { server: server.url, ...setting.trusted } });
    expect(await ask(client)).toBe(200);
    expect(server.requests.at(-1)?.headers).not.toHaveProperty('authorization');
  });

  it.each([
    ['with a user', { token: 'secret' }],
    ['without one', undefined],
  ])('does not believe a server of another authority, %s', async (_, user) => {
    const other = await createAuthority({ commonName: 'ca' });
    const before = server.requests.length;
    for (const authority of [{ 'certificate-authority-data': base64(other.certificatePem) }, {}]) {
      const client = await setting.open({
        cluster: { server: server.url, ...authority },
        ...(user === undefined ? {} : { user }),
      });
      expect(await failure(client)).toMatch(
        /^ERR_API_CONNECTION the server certificate is not signed by a known authority \([A-Z_]+\)$/,
      );
    }
    expect(server.requests.length).toBe(before);
  });

  it('does not believe the authority for another name', async () => {
    const serving = await setting.authority.issue({ usage: 'serverAuth', dnsNames: ['kcp.example'] });
    const { url } = await setting.startServer(undefined, serving);
    const client = await setting.open({ cluster: { server: url, ...setting.trusted } });
    expect(await failure(client)).toBe(
      'ERR_API_CONNECTION the server certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)',
    );
  });

  it('knows the server by the name that tls-server-name says', async () => {
    const serving = await setting.authority.issue({ usage: 'serverAuth', dnsNames: ['kcp.example'] });
    const named = await setting.startServer(undefined, serving);
    const open = (name: string) =>
      setting.open({ cluster: { server: named.url, 'tls-server-name': name, ...setting.trusted } });
    expect(await ask(await open('kcp.example'))).toBe(200);
    expect(named.requests.at(-1)?.serverName).toBe('kcp.example');
    expect(await failure(await open('other.example'))).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  it.each(['192.0.2.1', '2001:db8::1'])(
    'knows the server by the address that tls-server-name says: %s',
    async (address) => {
      const serving = await setting.authority.issue({ usage: 'serverAuth', ipAddresses: [address] });
      const named = await setting.startServer(undefined, serving);
      const open = (name: string) =>
        setting.open({ cluster: { server: named.url, 'tls-server-name': name, ...setting.trusted } });
      expect(await ask(await open(address))).toBe(200);
      expect(named.requests.at(-1)?.serverName).toBe(undefined);
      expect(await failure(await open('127.0.0.1'))).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
      expect(await failure(await open('2001:db8::2'))).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
    },
  );

  describe('with an environment that switches verification off', () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    afterEach(() => {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    });

    it('verifies all the same', async () => {
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      const client = await setting.open({ cluster: { server: server.url } });
      expect(await failure(client)).toMatch(/not signed by a known authority/);
    });
  });

  it('asks no questions where insecure-skip-tls-verify says so', async () => {
    const client = await setting.open({
      cluster: { server: server.url, 'insecure-skip-tls-verify': true },
      user: { token: 'secret' },
    });
    expect(await ask(client)).toBe(200);
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer secret');
  });

  it('speaks plain http where insecure-skip-tls-verify says so', async () => {
    const { port } = await listenHttp((request, response) => {
      response.statusCode = request.headers.authorization === 'Bearer secret' ? 200 : 401;
      response.end();
    });
    const client = await setting.open({
      cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
      user: { token: 'secret' },
    });
    expect(await ask(client)).toBe(200);
  });
});
