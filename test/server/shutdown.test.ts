import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Registry } from 'prom-client';
import { startLimited } from './limited-server.js';

const contentType = Registry.PROMETHEUS_CONTENT_TYPE;

describe('a server that is closed', () => {
  it('cuts a scrape that is under way at the deadline', async () => {
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    const server = await startLimited({
      shutdownTimeoutMs: 100,
      exposition: {
        contentType: () => contentType,
        render: () => {
          begun();
          return new Promise(() => undefined);
        },
      },
    });
    const scrape = server.scrape('scraper-token').catch(() => 'cut');
    await hasBegun;
    await server.server.close();
    expect(server.events).toMatchObject([{ path: '/metrics', isClosedEarly: true }]);
    expect(await scrape).toBe('cut');
    await server.stop();
  });

  it('closes both connections of a client who uses one port for two addresses of the server', async () => {
    const limits = { tlsHandshakeTimeoutMs: 600_000, headerTimeoutMs: 600_000 };
    const { server } = await startLimited({ bindAddress: '0.0.0.0', connectionLimits: limits });
    const open = async (host: string, localPort = 0): Promise<Socket> => {
      const { port } = server;
      const socket = connect({
        host,
        port,
        localAddress: '127.0.0.1',
        ...(localPort > 0 ? { localPort } : {}),
      });
      await once(
        socket.on('error', () => undefined),
        'connect',
      );
      return socket;
    };
    const first = await open('127.0.0.1');
    const second = await open('127.0.0.2', first.localPort);
    expect(second.localPort).toBe(first.localPort);
    const closed = [first, second].map((socket) => once(socket.resume(), 'close'));
    // Accepted in order: the server knows the two of them when it has answered a third.
    const third = await open('127.0.0.3');
    third.end('x');
    await once(third.resume(), 'close');
    await server.close();
    await Promise.all(closed);
  });

  it('takes new connections until the delay is over, and none after', async () => {
    const server = await startLimited({ shutdownDelayMs: 300 });
    const closed = server.server.close();
    expect(server.server.close()).toBe(closed);
    const answer = await server.scrape('scraper-token');
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const ready = await server.scrape('', '127.0.0.1', '/readyz');
    expect([ready.status, ready.body.includes('[-]shutdown failed')]).toEqual([500, true]);
    await closed;
    await expect(server.scrape('scraper-token')).rejects.toThrow('ECONNREFUSED');
    await server.stop();
  });
});
