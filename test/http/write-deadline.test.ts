import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Exposition, RenderedExposition } from '../../src/exposition/exposition.js';
import { limitedExposition } from '../../src/exposition/sharing/limited-exposition.js';
import { RenderingLimit } from '../../src/exposition/sharing/rendering-limit.js';
import { sharedExposition } from '../../src/exposition/sharing/shared-exposition.js';
import { serveExposition } from '../../src/http/serve-exposition.js';
import { WriteDeadline } from '../../src/http/write-deadline.js';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { listen, type Listening } from '../exposition/upstream-servers.js';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
const running: Listening[] = [];
const clients: Socket[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(running.splice(0).map((server) => server.close()));
});

/** More than all buffers on the way hold. */
const long = 64 * 1024 * 1024;

async function* streamed(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < long; sent += 65_536) yield await Promise.resolve(Buffer.alloc(65_536, 'a'));
}

const bodies: readonly (readonly [string, () => RenderedExposition])[] = [
  ['a streamed body', () => ({ contentType, body: streamed() })],
  ['a whole body', () => ({ contentType, body: Buffer.alloc(long, 'a') })],
];

describe('a client that takes nothing', () => {
  const transports = ['http', 'https'] as const;
  const cases = transports.flatMap((transport) => bodies.map(([what, body]) => ({ transport, what, body })));

  it.each(cases)('of $what over $transport is cut, and holds nothing any more', async (given) => {
    const limit = new RenderingLimit();
    const source: Exposition = {
      contentType: () => contentType,
      render: () => Promise.resolve(given.body()),
    };
    let cut: () => void = () => undefined;
    const wasCut = new Promise<void>((resolve) => (cut = resolve));
    const serve = serveExposition({
      expositions: new Map([['/metrics', sharedExposition(limitedExposition(source, limit))]]),
      writeTimeoutMs: 200,
      onStalledClient: cut,
    });
    const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
      serve(incoming, response, () => undefined);
    };
    const authority = await createAuthority({ commonName: 'ca' });
    const serving = await authority.issue({
      commonName: 'localhost',
      usage: 'serverAuth',
      dnsNames: ['localhost'],
    });
    const server =
      given.transport === 'http'
        ? createServer(answer)
        : createTlsServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, answer);
    const listening = await listen(server);
    running.push(listening);
    const client =
      given.transport === 'http'
        ? connect(listening.port, '127.0.0.1')
        : connectTls({ host: '127.0.0.1', port: listening.port, rejectUnauthorized: false });
    clients.push(client);
    client.on('error', () => undefined);
    await once(client, given.transport === 'http' ? 'connect' : 'secureConnect');
    client.pause();
    client.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
    await wasCut;
    await expect.poll(() => [listening.open.size, limit.underWay]).toEqual([0, 0]);
  });
});

/** An answer over a connection whose client takes what it is told to. */
function answerTo(): { readonly response: ServerResponse; readonly take: () => void } {
  const waiting: (() => void)[] = [];
  let taken = 0;
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      waiting.push(() => {
        taken += chunk.byteLength;
        done();
      });
    },
    highWaterMark: 1,
  });
  // As a socket counts: all that it was given.
  Object.defineProperty(socket, 'bytesWritten', { get: () => taken + socket.writableLength });
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.assignSocket(socket as never);
  return {
    response,
    take: () => {
      waiting.shift()?.();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a write deadline', () => {
  function setting() {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    let cut = 0;
    return { deadline: new WriteDeadline(1000, () => (cut += 1)), cut: () => cut };
  }

  it('spares a client that takes a little from time to time', async () => {
    const { deadline, cut } = setting();
    const { response, take } = answerTo();
    response.writeHead(200, { 'Content-Length': 20 });
    deadline.watch(response);
    for (let piece = 0; piece < 20; piece += 1) {
      response.write('a');
      await turn();
      vi.advanceTimersByTime(900);
      take();
      await turn();
    }
    expect([cut(), response.destroyed]).toEqual([0, false]);
    response.write('a');
    vi.advanceTimersByTime(1300);
    expect([cut(), response.destroyed, deadline.watched]).toEqual([1, true, 0]);
  });

  it('spares a client for whom there is nothing', async () => {
    const { deadline, cut } = setting();
    const { response, take } = answerTo();
    response.writeHead(200);
    deadline.watch(response);
    response.write('a');
    take();
    await turn();
    take();
    await turn();
    while (response.writableLength > 0) {
      take();
      await turn();
    }
    vi.advanceTimersByTime(60_000);
    expect([cut(), response.destroyed]).toEqual([0, false]);
  });

  it('keeps nothing of an answer that is out, and no timer for long', async () => {
    const { deadline } = setting();
    const { response, take } = answerTo();
    response.writeHead(200, { 'Content-Length': 1 });
    response.end('a');
    deadline.watch(response);
    expect([deadline.watched, vi.getTimerCount()]).toEqual([1, 1]);
    const closed = once(response, 'close');
    while (!response.writableFinished) {
      take();
      await turn();
    }
    response.destroy();
    await closed;
    expect(deadline.watched).toBe(0);
    vi.advanceTimersByTime(125);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([0, -1, NaN, Infinity])('of %j ms cannot be', (timeoutMs) => {
    expect(() => new WriteDeadline(timeoutMs)).toThrow(RangeError);
  });
});
