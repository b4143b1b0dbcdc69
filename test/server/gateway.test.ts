import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  clientCertificateAuthenticator,
  createCertificateVerifier,
  type ServerKind,
} from '../../src/index.js';
import { UpstreamClient } from '../../src/outgoing/upstream-client.js';
import { createAuthority } from '../support/certificate-authority.js';
import type { ServerOptions } from '../../src/server-exports.js';
import { keyPairOf, RawClient } from '../support/raw-tls.js';
import { recordingBackend, type Received } from '../request/gateway-setting.js';
import { startLimited } from './limited-server.js';

interface Started {
  readonly port: number;
  readonly received: readonly Received[];
}

async function started(options: Partial<ServerOptions> = {}): Promise<Started> {
  const { url, received } = await recordingBackend((_, response) => response.end('ok'));
  const client = new UpstreamClient(new URL(url), {});
  const backend = { client, callerHeaders: () => ({}) };
  const limited = await startLimited({
    gateway: {
      backends: new Map([['/push', backend]]),
      maxBodyBytes: 1000,
      bytesPerSecondByIdentity: 0,
      timeoutMs: 10_000,
    },
    ...options,
  });
  onTestFinished(async () => {
    client.close();
    await limited.stop();
  });
  return { port: limited.server.port, received };
}

async function connected(port: number): Promise<{ readonly socket: TLSSocket; readonly read: () => string }> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  onTestFinished(() => {
    socket.destroy();
  });
  let read = '';
  socket.setEncoding('utf8').on('data', (text: string) => (read += text));
  await once(socket, 'secureConnect');
  return { socket, read: () => read };
}

const head = (method: string, path: string, token: string, length: number): string =>
  `${method} ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;

describe('a client that asks before it sends its body', () => {
  it('is told to send what is passed on, and keeps its connection', async () => {
    const { port, received } = await started();
    const { socket, read } = await connected(port);
    for (const body of ['abc', 'defg']) {
      socket.write(head('POST', '/push', 'admin-token', body.length));
      await expect.poll(() => read()).toMatch(/HTTP\/1\.1 100 Continue\r\n\r\n$/);
      socket.write(body);
      await expect.poll(() => read()).toMatch(/HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/);
    }
    expect(received.map(({ body }) => body.toString())).toEqual(['abc', 'defg']);
    expect(read()).not.toContain('Connection: close');
  });

  it.each([
    ['that may not', 'POST', '/push', 'mallory-token', 3, 403],
    ['that nobody knows', 'POST', '/push', 'wrong', 3, 401],
    ['that has too much', 'POST', '/push', 'admin-token', 1001, 413],
    ['below a scope', 'POST', '/clusters/root/push', 'admin-token', 3, 501],
    ['of metrics', 'GET', '/metrics', 'admin-token', 3, 200],
  ])('%s is not told so, and its connection ends', async (_, method, path, token, length, status) => {
    const { port, received } = await started();
    const { socket, read } = await connected(port);
    // What is sent all the same must not become the next request; before metrics are rendered, it could only be a 400.
    const more = status === 200 ? '' : 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
    socket.write(head(method, path, token, length) + more);
    await once(socket, 'close');
    expect(read()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*Connection: close\r\n`));
    expect(read().match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(received).toEqual([]);
  });
});

describe('paths of the gateway', () => {
  it.each<readonly [ServerKind, string, number]>([
    ['shard', '/push', 200],
    ['shard', '/clusters/root:org/push', 501],
    ['shard', '/shards/amber/push', 404],
    ['shard', '//push', 307],
    ['shard', '/push%2f', 404],
    ['shard', '/push/..;/push', 400],
    ['cache-server', '/push', 200],
    ['cache-server', '/shards/amber/push', 501],
    ['cache-server', '/services/cache/shards/amber/push', 501],
    ['cache-server', '/shards/amber/clusters/root/push', 501],
    ['cache-server', '/shards/*/clusters/*/push', 501],
    ['cache-server', '/clusters/root/push', 400],
    ['cache-server', '/push/x', 400],
  ])('on a %s: %s is %i', async (serverKind, path, status) => {
    const { port, received } = await started({ serverKind });
    const client = new RawClient({ port });
    const headers = { Authorization: 'Bearer admin-token', 'Content-Length': '0' };
    expect((await client.request(path, { method: 'POST', headers })).status).toBe(status);
    expect(received.length).toBe(status === 200 ? 1 : 0);
  });

  it('are written in time by a client that shows its next certificate: a connection ends before its own does', async () => {
    const authority = await createAuthority({ commonName: 'ca' });
    const notAfter = new Date(Date.now() + 60_000);
    const certificate = await authority.issue({
      commonName: 'prometheus',
      organizations: ['system:masters'],
      usage: 'clientAuth',
      notAfter,
    });
    const verifier = createCertificateVerifier({ authorities: authority.certificatePem });
    const { port } = await started({ authenticators: [clientCertificateAuthenticator({ verifier })] });
    const client = new RawClient({ port, ...keyPairOf(certificate) });
    const post = async () => {
      const { status, headers } = await client.request('/push', {
        method: 'POST',
        headers: { 'Content-Length': '0' },
      });
      return [status, headers.get('connection')];
    };
    vi.useFakeTimers({ toFake: ['Date'] });
    expect(await post()).toEqual([200, 'keep-alive']);
    vi.setSystemTime(notAfter.getTime() - 31_000);
    expect(await post()).toEqual([200, 'keep-alive']);
    vi.setSystemTime(notAfter.getTime() - 29_000);
    expect(await post()).toEqual([200, 'close']);
  });
});
