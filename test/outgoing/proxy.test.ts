import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createAuthority } from '../support/certificate-authority.js';
import { ask, createApiSetting, failure, type ApiSetting } from '../kubernetes/api-setting.js';
import type { ApiServer } from '../kubernetes/api-server.js';
import { base64 } from '../kubernetes/kubeconfig-text.js';
import { startConnectProxy, startSocksProxy } from './proxies.js';

let setting: ApiSetting;
let server: ApiServer;

beforeEach(async () => {
  setting = await createApiSetting();
  server = await setting.startServer();
});

const open = (proxyUrl: string, cluster: object = {}) =>
  setting.open({
    cluster: { server: server.url, 'proxy-url': proxyUrl, ...setting.trusted, ...cluster },
    user: { token: 'secret' },
  });

describe('behind an HTTP proxy', () => {
  it('a client asks it for a tunnel, and nobody else for anything', async () => {
    const proxy = await startConnectProxy(server.port);
    const client = await open(`http://127.0.0.1:${proxy.port}`);
    expect(await ask(client)).toBe(200);
    expect(await ask(client)).toBe(200);
    expect(proxy.asked).toEqual(Array(2).fill({ target: `127.0.0.1:${server.port}` }));
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(
      Array(2).fill('Bearer secret'),
    );
    await expect.poll(() => proxy.open.size).toBe(0);
  });

  it.each([
    [
      'https://kcp.example:6443/clusters/root',
      'kcp.example:6443',
      'kcp.example',
      { dnsNames: ['kcp.example'] },
    ],
    ['https://kcp.example', 'kcp.example:443', 'kcp.example', { dnsNames: ['kcp.example'] }],
    ['https://[2001:db8::1]:6443', '[2001:db8::1]:6443', undefined, { ipAddresses: ['2001:db8::1'] }],
  ])('a client of %s leaves it to find the server', async (url, target, serverName, names) => {
    const serving = await setting.authority.issue({ usage: 'serverAuth', ...names });
    server.serveWith(serving);
    const proxy = await startConnectProxy(server.port);
    expect(await ask(await open(`http://127.0.0.1:${proxy.port}`, { server: url }))).toBe(200);
    expect(proxy.asked).toEqual([{ target }]);
    expect(server.requests[0]?.serverName).toBe(serverName);
  });

  it('a client presents its certificate to the server', async () => {
    const alice = await setting.authority.issue({ commonName: 'alice', usage: 'clientAuth' });
    const proxy = await startConnectProxy(server.port);
    const client = await setting.open({
      cluster: { server: server.url, 'proxy-url': `http://127.0.0.1:${proxy.port}`, ...setting.trusted },
      user: {
        'client-certificate-data': base64(alice.certificatePem),
        'client-key-data': base64(alice.privateKeyPem),
      },
    });
    expect(await ask(client)).toBe(200);
    expect(server.requests[0]?.clientName).toBe('alice');
  });

  it.each([
    ['another authority', {}, /not signed by a known authority/],
    ['another name', { 'tls-server-name': 'other.example' }, /is for another name/],
    ['another address', { 'tls-server-name': '192.0.2.1' }, /is for another name/],
  ])('a client does not believe a server of %s', async (what, cluster, message) => {
    const other = await createAuthority({ commonName: 'ca' });
    const authority = what === 'another authority' ? other : setting.authority;
    const proxy = await startConnectProxy(server.port);
    const client = await open(`http://127.0.0.1:${proxy.port}`, {
      'certificate-authority-data': base64(authority.certificatePem),
      ...cluster,
    });
    expect(await failure(client)).toMatch(message);
    expect(server.requests).toEqual([]);
  });

  it('that is https, a client verifies the proxy too', async () => {
    const serving = await setting.authority.issue({ usage: 'serverAuth', dnsNames: ['localhost'] });
    const proxy = await startConnectProxy(server.port, 'connects', serving);
    const client = await open(`https://joe:secret@localhost:${proxy.port}`);
    expect(await failure(client)).toMatch(/^ERR_API_CONNECTION the server certificate is not signed/);
    expect(proxy.asked).toEqual([]);
    // The proxy's authority can only be given to a process that starts; of the server nothing less is asked.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    expect(await ask(client)).toBe(200);
    expect(proxy.asked.length).toBe(1);
    const other = await createAuthority({ commonName: 'ca' });
    const wary = await open(`https://localhost:${proxy.port}`, {
      'certificate-authority-data': base64(other.certificatePem),
    });
    expect(await failure(wary)).toMatch(/not signed by a known authority/);
  });

  it('that is not there, a client says so', async () => {
    const proxy = await startConnectProxy(server.port);
    await proxy.close();
    expect(await failure(await open(`http://joe:secret@127.0.0.1:${proxy.port}`))).toBe(
      'ERR_API_CONNECTION connection refused (ECONNREFUSED)',
    );
  });

  it('plain http goes through a tunnel as well', async () => {
    const proxy = await startConnectProxy(server.port);
    const client = await setting.open({
      cluster: {
        server: 'http://kcp.example:8080',
        'insecure-skip-tls-verify': true,
        'proxy-url': `http://127.0.0.1:${proxy.port}`,
      },
    });
    // The server speaks TLS, and hangs up.
    expect(await failure(client)).toMatch(/^ERR_API_CONNECTION /);
    expect(proxy.asked).toEqual([{ target: 'kcp.example:8080' }]);
  });
});

describe('behind a SOCKS proxy', () => {
  it.each([
    ['socks5', 'https://127.0.0.1:6443', '127.0.0.1:6443'],
    ['socks5h', 'https://kcp.example:6443', 'kcp.example:6443'],
    ['socks', 'https://kcp.example', 'kcp.example:443'],
  ])('a client asks it for a connection: %s', async (scheme, url, target) => {
    const proxy = await startSocksProxy(server.port);
    const client = await open(`${scheme}://127.0.0.1:${proxy.port}`, { server: url });
    expect(await ask(client)).toBe(200);
    expect(proxy.asked).toEqual([{ target }]);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer secret');
  });

  it('a client does not believe a server of another name', async () => {
    const proxy = await startSocksProxy(server.port);
    const client = await open(`socks5h://127.0.0.1:${proxy.port}`, { server: 'https://other.example' });
    expect(await failure(client)).toMatch(/is for another name/);
    expect(server.requests).toEqual([]);
  });
});

const kinds = [
  ['an HTTP proxy', 'http', startConnectProxy, `Basic ${base64('joe:p@ss')}`, 'the proxy answered 407'],
  ['a SOCKS proxy', 'socks5', startSocksProxy, 'joe:p@ss', 'the SOCKS proxy failed'],
] as const;
describe.each(kinds)('behind %s', (_, scheme, start, credentials, refusal) => {
  it('a client says who it is', async () => {
    const proxy = await start(server.port);
    expect(await ask(await open(`${scheme}://joe:p%40ss@127.0.0.1:${proxy.port}`))).toBe(200);
    expect(proxy.asked[0]?.credentials).toBe(credentials);
  });

  it('that refuses, a client says so', async () => {
    const proxy = await start(server.port, 'refuses');
    const client = await open(`${scheme}://joe:secret@127.0.0.1:${proxy.port}`);
    expect(await failure(client)).toBe(`ERR_API_CONNECTION ${refusal}`);
  });

  it('that hangs, a client gives up after its timeout', async () => {
    const proxy = await start(server.port, 'hangs');
    const client = await open(`${scheme}://127.0.0.1:${proxy.port}`);
    const request = client.send({ method: 'GET', path: '/version', timeoutMs: 100 });
    await expect(request).rejects.toThrow('no answer within 100 ms (ETIMEDOUT)');
  });
});
