import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import type { ConnectionLimits } from '../../src/server-exports.js';
import { limitConnections } from '../../src/server/connection-limits.js';
import { startLimited, type LimitedServer } from './limited-server.js';
import { listen } from '../support/listening.js';

const limited = (connectionLimits: ConnectionLimits): Promise<LimitedServer> =>
  startLimited({ connectionLimits });

/** What has come is read: a connection is not closed before. */
function closed(socket: Socket): Promise<unknown> {
  socket.resume();
  return socket.destroyed ? Promise.resolve() : once(socket, 'close');
}

/** All that comes until the connection is closed. */
async function received(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (data: Buffer) => {
    text += data.toString();
  });
  await closed(socket);
  return text;
}

describe('limits of connections', () => {
  it('serve an honest scraper beside 2,000 connections that say nothing, of which half are open', async () => {
    const server = await limited({
      maxConnections: 10_000,
      maxConnectionsByAddress: 1000,
      headerTimeoutMs: 60_000,
      tlsHandshakeTimeoutMs: 60_000,
    });
    const idle: Socket[] = await Promise.all(Array.from({ length: 50 }, () => server.connected()));
    while (idle.length < 2000) {
      const socket = connectTcp(server.server.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      idle.push(socket);
    }
    await Promise.all(idle.slice(1000).map(closed));
    expect(idle.filter(({ destroyed }) => destroyed)).toHaveLength(1000);
    expect((await server.scrape('scraper-token', '127.0.0.2')).status).toBe(200);
    expect(await server.metric('kcp_metrics_filter_refused_connections_total')).toBe(1000);
    for (const socket of idle) socket.destroy();
  });

  it('serve an honest scraper from the same address beside 2,000, where none is told apart', async () => {
    const server = await limited({ maxConnections: 10_000, tlsHandshakeTimeoutMs: 60_000 });
    const idle: Socket[] = [];
    while (idle.length < 2000) {
      const socket = connectTcp(server.server.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      idle.push(socket);
    }
    expect((await server.scrape('scraper-token')).status).toBe(200);
    expect(idle.filter(({ destroyed }) => destroyed)).toEqual([]);
    for (const socket of idle) socket.destroy();
  });

  it('count a connection no more when it is closed', async () => {
    const server = await limited({ maxConnectionsByAddress: 1 });
    const first = await server.connected();
    await closed(await server.connected());
    first.destroy();
    const scraped = async (): Promise<number | undefined> =>
      (await server.scrape('scraper-token').catch(() => undefined))?.status;
    for (let round = 0; round < 3; round += 1) await expect.poll(scraped).toBe(200);
  });

  it('hold all addresses to one bound together', async () => {
    const server = await limited({ maxConnections: 2 });
    await server.connected();
    await server.connected('127.0.0.2');
    await closed(await server.connected('127.0.0.3'));
    expect(await server.metric('kcp_metrics_filter_refused_connections_total')).toBe(1);
  });

  it('close what is beyond in a worker too, rather than hand it back to the primary', async () => {
    const server = createServer();
    let refused = 0;
    const limits = { maxConnections: 2, maxConnectionsByAddress: 1 };
    limitConnections(server, limits, () => (refused += 1), true);
    expect(server.maxConnections).toBeUndefined();
    const { port } = await listen(server);
    const accepted: Socket[] = [];
    server.on('connection', (socket: Socket) => accepted.push(socket));
    const open = (localAddress: string): Socket =>
      connectTcp({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
    const first = open('127.0.0.1');
    await closed(open('127.0.0.1'));
    const second = open('127.0.0.2');
    await closed(open('127.0.0.3'));
    expect([refused, first.destroyed, second.destroyed]).toEqual([2, false, false]);
    first.destroy();
    await closed(accepted[0] ?? first);
    const third = open('127.0.0.3');
    await once(server, 'connection');
    expect(accepted.at(-1)?.destroyed).toBe(false);
    for (const socket of [second, third]) socket.destroy();
  });

  it('close a connection whose header comes byte by byte', async () => {
    const server = await limited({ headerTimeoutMs: 300 });
    const socket = await server.connected();
    const answer = received(socket);
    const line = 'GET /metrics HTTP/1.1\r\nHost: x\r\n';
    let sent = 0;
    const dripping = setInterval(() => {
      socket.write(line[sent] ?? 'a: b\r\n');
      sent += 1;
    }, 20);
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(dripping);
    expect((await server.scrape('scraper-token')).status).toBe(200);
  });

  it.each([
    ['Transfer-Encoding: chunked', '10000\r\n', '\r\n'],
    ['Content-Length: 99999999999', '', ''],
  ])('close a connection whose body goes on after its answer (%s)', async (field, before, after) => {
    // A request as a whole may take as long.
    const socket = await (await limited({ headerTimeoutMs: 60_000 })).connected();
    const piece = Buffer.concat([Buffer.from(before), Buffer.alloc(65_536), Buffer.from(after)]);
    const goOn = (): void => {
      if (!socket.destroyed && socket.write(piece)) setImmediate(goOn);
    };
    let text = '';
    const isClosed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('drain', goOn).on('error', () => undefined);
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.write(`POST /metrics HTTP/1.1\r\nHost: localhost\r\n${field}\r\n\r\n`);
    goOn();
    await isClosed;
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('leave a connection open whose body ends after its answer', async () => {
    const socket = await (await limited({})).connected();
    socket.write('POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab');
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 403 /);
    socket.write('cdGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await received(socket)).toMatch(/HTTP\/1\.1 200 /);
  });

  it.each([
    [1000, 0],
    [2600, 1],
  ])(
    'read a body that nobody wants no further than its first pieces: %i tiny chunks',
    async (chunks, pauses) => {
      const socket = await (await limited({})).connected();
      socket.write('POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first.toString()).toMatch(/^HTTP\/1\.1 403 /);
      const paused = vi.spyOn(TLSSocket.prototype, 'pause');
      try {
        // What has been read together with them is no reason to close the connection.
        socket.write(`${'1\r\na\r\n'.repeat(chunks)}0\r\n\r\n`);
        socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
        expect(await received(socket)).toMatch(/HTTP\/1\.1 200 /);
        expect(Math.min(1, paused.mock.calls.length)).toBe(pauses);
      } finally {
        paused.mockRestore();
      }
    },
  );

  it('make nothing of requests that came with those for which a connection is closed', async () => {
    const socket = await (await limited({})).connected();
    const destroyed = vi.spyOn(IncomingMessage.prototype, 'destroy');
    try {
      // Node destroys each that it knows of when the connection closes.
      socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(450).padEnd(16_300));
      await closed(socket);
      expect(destroyed.mock.calls.length).toBeLessThan(300);
    } finally {
      destroyed.mockRestore();
    }
  });

  it('close a connection that never asks for anything', async () => {
    const server = await limited({ headerTimeoutMs: 300 });
    await closed(await server.connected());
    expect((await server.scrape('scraper-token')).status).toBe(200);
  });

  it('close a connection that has asked and asks no more', async () => {
    const server = await limited({ idleTimeoutMs: 200 });
    const socket = await server.connected();
    const answer = received(socket);
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('close a connection whose TLS handshake does not come', async () => {
    const server = await limited({ tlsHandshakeTimeoutMs: 200 });
    const socket = connectTcp(server.server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await closed(socket);
    expect((await server.scrape('scraper-token')).status).toBe(200);
  });

  it.each([
    [4096, 4000, 200],
    [4096, 4200, 431],
    [undefined, 32_000, 200],
    [undefined, 33_000, 431],
  ])('with a bound of %s bytes answer a header of about %i bytes with %i', async (bound, bytes, status) => {
    const server = await limited(bound === undefined ? {} : { maxHeaderBytes: bound });
    const socket = await server.connected();
    const answer = received(socket);
    socket.write(
      `GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\na: ${'b'.repeat(bytes - 60)}\r\n\r\n`,
    );
    expect(await answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});
