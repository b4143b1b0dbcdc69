import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import type { Exposition, RenderedExposition } from '../../src/exposition/exposition.js';
import { RenderingLimit, limitedExposition } from '../../src/exposition/delivery/rendering-limit.js';
import { sharedExposition } from '../../src/exposition/delivery/shared-exposition.js';
import { serveExposition } from '../../src/request/steps/serve-exposition.js';
import { TimeSlice } from '../../src/time-slice.js';
import { WriteDeadline } from '../../src/request/answer/write-deadline.js';
import { listen } from '../support/listening.js';
import { localAuthority } from '../support/local-authority.js';
import { atEnd } from '../support/ending.js';
import { bytesLeftBy } from '../support/held-bytes.js';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
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
    const { serving } = await localAuthority();
    const server =
      given.transport === 'http'
        ? createServer(answer)
        : createTlsServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, answer);
    const listening = await listen(server);
    const client =
      given.transport === 'http'
        ? connect(listening.port, '127.0.0.1')
        : connectTls({ host: '127.0.0.1', port: listening.port, rejectUnauthorized: false });
    atEnd(() => client.destroy());
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
  function setting(totalMs = 0) {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    let cut = 0;
    const kernel = { holds: 0, asked: 0, isKnown: true };
    const deadline = new WriteDeadline({
      timeoutMs: 1000,
      totalMs,
      onCut: () => (cut += 1),
      queues: (wanted) => {
        kernel.asked += 1;
        const [connection = ''] = wanted;
        return Promise.resolve(kernel.isKnown ? new Map([[connection, kernel.holds]]) : undefined);
      },
    });
    /** What the kernel is asked is known a turn later. */
    const pass = async (milliseconds: number): Promise<void> => {
      for (let passed = 0; passed < milliseconds; passed += 25) {
        vi.advanceTimersByTime(25);
        await turn();
      }
    };
    return { deadline, kernel, pass, cut: () => cut };
  }

  it.each([
    [64 * 1024, false],
    [32 * 1024, true],
    [1, true],
  ])('of a second, for a client that takes %i bytes in each: it is cut: %j', async (bytes, isCut) => {
    const { deadline, pass, cut } = setting();
    const { response, take } = answerTo();
    response.writeHead(200, { 'Content-Length': 20 * bytes });
    for (let piece = 0; piece < 20; piece += 1) response.write(Buffer.alloc(bytes));
    // The head is a write of its own.
    await turn();
    take();
    await turn();
    deadline.watch(response);
    for (let piece = 0; piece < 10; piece += 1) {
      await pass(900);
      take();
      await turn();
    }
    expect([cut(), response.destroyed]).toEqual([isCut ? 1 : 0, isCut]);
  });

  it('sees what the other end takes while a full send buffer takes no more', async () => {
    const { deadline, kernel, pass, cut } = setting();
    const { response } = answerTo();
    response.writeHead(200);
    deadline.watch(response);
    response.write(Buffer.alloc(1024));
    kernel.holds = 4 * 1024 * 1024;
    for (let second = 0; second < 10; second += 1) {
      await pass(500);
      kernel.holds -= 100_000;
      await pass(500);
    }
    expect([cut(), response.destroyed]).toEqual([0, false]);
    await pass(2000);
    expect([cut(), response.destroyed, deadline.watched]).toEqual([1, true, 0]);
  });

  it('cuts by what the socket shows where the kernel cannot be asked', async () => {
    const { deadline, kernel, pass, cut } = setting();
    const { response } = answerTo();
    kernel.isKnown = false;
    response.writeHead(200);
    deadline.watch(response);
    response.write('a');
    await pass(1250);
    expect(cut()).toBe(1);
  });

  it('lets answers that are over be freed at once, while others are always under way', () => {
    const deadline = new WriteDeadline({ timeoutMs: 10_000 });
    const answers = 4000;
    const leftBy = (begin: (response: ServerResponse) => void): number =>
      bytesLeftBy((pass) => {
        const underWay: ServerResponse[] = [];
        for (let at = 0; at < answers; at += 1) {
          const response = new ServerResponse(new IncomingMessage(new Socket()));
          response.write('a');
          begin(response);
          underWay.push(response);
          if (underWay.length > 16) underWay.shift()?.emit('close');
          if (at % 100 === 0) pass();
        }
        for (const response of underWay) response.emit('close');
      });
    // Node 24 leaves some of them by itself.
    const unwatched = leftBy(() => undefined);
    let most = 0;
    const watched = leftBy((response) => {
      deadline.watch(response);
      most = Math.max(most, deadline.watched);
    });
    expect([most, deadline.watched]).toEqual([17, 0]);
    // Each takes some kilobytes.
    expect((watched - unwatched) / answers).toBeLessThan(500);
  });

  it('cuts very many in slices', async () => {
    let now = performance.now();
    // A millisecond with each look: what is done in one go looks seldom.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1));
    const rests = vi.spyOn(TimeSlice.prototype, 'rest');
    let cut = 0;
    try {
      const deadline = new WriteDeadline({ timeoutMs: 1000, totalMs: 8, onCut: () => (cut += 1) });
      for (let at = 0; at < 100; at += 1) {
        const response = new ServerResponse(new IncomingMessage(new Socket()));
        response.write('a');
        deadline.watch(response);
      }
      await expect.poll(() => cut).toBe(100);
      expect(rests.mock.calls.length).toBeGreaterThan(10);
    } finally {
      clock.mockRestore();
      rests.mockRestore();
    }
  });

  it('asks the kernel for nobody who makes progress', async () => {
    const { deadline, kernel, pass } = setting();
    const { response, take } = answerTo();
    response.writeHead(200);
    take();
    deadline.watch(response);
    for (let piece = 0; piece < 30; piece += 1) {
      response.write(Buffer.alloc(70_000));
      response.write(Buffer.alloc(70_000));
      await pass(100);
      for (let write = 0; write < 4; write += 1) {
        take();
        await turn();
      }
    }
    expect(kernel.asked).toBe(0);
  });

  it.each([
    ['whose client takes all', true],
    ['whose source gives nothing', false],
  ])('cuts an answer %s after all of its time', async (_what, isTaken) => {
    const { deadline, pass, cut } = setting(5000);
    const { response, take } = answerTo();
    response.writeHead(200);
    deadline.watch(response);
    for (let tenth = 0; tenth < 49; tenth += 1) {
      if (isTaken) response.write(Buffer.alloc(70_000));
      await pass(100);
      while (response.writableLength > 0) {
        take();
        await turn();
      }
    }
    expect(cut()).toBe(0);
    await pass(300);
    expect([cut(), response.destroyed]).toEqual([1, true]);
  });

  it('spares a client for whom there is nothing', async () => {
    const { deadline, pass, cut } = setting();
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
    await pass(60_000);
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
    expect(() => new WriteDeadline({ timeoutMs })).toThrow(RangeError);
    if (timeoutMs !== 0)
      expect(() => new WriteDeadline({ timeoutMs: 1, totalMs: timeoutMs })).toThrow(RangeError);
  });
});
