import { IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { upstreamExposition } from '../../../../src/exposition/sources/upstream/upstream.js';
import { digestOf, scrape } from './upstream-servers.js';
import { listenHttp, listen } from '../../../support/listening.js';
import { failures, guard, send, textFormat } from './upstream-setting.js';

const KiB = 1024;

function numbered(bytes: number): Buffer {
  const body = Buffer.alloc(bytes, 'metric 1\n');
  for (let at = 0; at + 16 <= bytes; at += 4 * KiB) body.write(String(at), at);
  return body;
}

describe('the body of an upstream', () => {
  it('arrives byte by byte, however it was written', async () => {
    let parts: readonly Uint8Array[] = [];
    let length: string | undefined;
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, {
        'Content-Type': textFormat,
        ...(length === undefined ? {} : { 'Content-Length': length }),
      });
      void (async () => {
        for (const [at, part] of parts.entries()) {
          response.write(part);
          if (at % 2 === 0) await new Promise(setImmediate);
        }
        response.end();
      })();
    });
    const filter = await guard(upstream);
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc
            .oneof(fc.nat(10), fc.nat(100 * KiB), fc.constantFrom(64 * KiB, 256 * KiB, 256 * KiB + 1))
            .map(numbered),
          { maxLength: 6 },
        ),
        fc.boolean(),
        async (written, isLengthSaid) => {
          parts = written;
          const whole = Buffer.concat(written);
          length = isLengthSaid ? String(whole.byteLength) : undefined;
          const { status, headers, body } = await scrape(filter);
          expect([status, digestOf(body)]).toEqual([200, digestOf(whole)]);
          if (isLengthSaid) expect(headers['content-length']).toBe(length);
        },
      ),
      { numRuns: 40 },
    );
    expect(upstream.connections()).toBe(1);
    expect(failures).toEqual([]);
  });

  it('is read in several turns of the event loop where it comes in thousands of tiny chunks', async () => {
    const chunks = 20_000;
    const upstream = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          const head = `HTTP/1.1 200 OK\r\nContent-Type: ${textFormat}\r\nTransfer-Encoding: chunked\r\n\r\n`;
          socket.end(`${head}${'1\r\n\n\r\n'.repeat(chunks)}0\r\n\r\n`);
        });
      }),
    );
    const pauses = vi.spyOn(IncomingMessage.prototype, 'pause');
    try {
      const { status, body } = await scrape(await guard(upstream));
      expect([status, body.length]).toEqual([200, chunks]);
      expect(pauses.mock.calls.length).toBeGreaterThan(chunks / 300);
    } finally {
      pauses.mockRestore();
    }
  });

  it('comes over one connection, also where nobody reads what is left of it', async () => {
    const upstream = await listenHttp(send(numbered(2_000_000)));
    const exposition = upstreamExposition({ url: `http://127.0.0.1:${upstream.port}` });
    for (let count = 0; count < 3; count += 1) {
      const { body } = await exposition.render({ accept: '' });
      if (typeof body === 'string' || body instanceof Uint8Array) throw new Error('it is streamed');
      let read = 0;
      for await (const chunk of body) read += chunk.byteLength;
      expect(read).toBe(2_000_000);
    }
    expect(upstream.connections()).toBe(1);
    const { body } = await exposition.render({ accept: '' });
    if (typeof body === 'string' || body instanceof Uint8Array) throw new Error('it is streamed');
    const chunks = body[Symbol.asyncIterator]();
    await chunks.next();
    await chunks.return?.();
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
    await expect.poll(() => upstream.open.size).toBe(0);
    exposition.close();
  });

  it('may take longer than its patience, as long as it goes on', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat, 'Content-Length': '600000' });
      let sent = 0;
      const more = setInterval(() => {
        response.write(Buffer.alloc(30_000, 'a'));
        sent += 30_000;
        if (sent < 600_000) return;
        clearInterval(more);
        response.end();
      }, 25);
    });
    const { body } = await scrape(await guard(upstream, { stallTimeoutMs: 250 }));
    expect(body.byteLength).toBe(600_000);
    expect(failures).toEqual([]);
  });
});

describe('a connection that is kept', () => {
  /** Answers requests by their number over all connections; false closes the connection instead. */
  async function counting(answers: (request: number) => boolean) {
    let requests = 0;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: ${textFormat}\r\nContent-Length: 4\r\n\r\n`;
    const upstream = await listen(
      createTcpServer((socket: Socket) => {
        socket.on('data', () => {
          requests += 1;
          if (answers(requests)) socket.write(`${head}a 1\n`);
          else socket.resetAndDestroy();
        });
      }),
    );
    return { upstream, requests: () => requests };
  }

  it('and was closed at the moment it is used again costs no scrape: it is asked once more', async () => {
    const { upstream, requests } = await counting((request) => request !== 2);
    const filter = await guard(upstream);
    expect((await scrape(filter)).status).toBe(200);
    expect((await scrape(filter)).body.toString()).toBe('a 1\n');
    expect([requests(), upstream.connections(), failures.length]).toEqual([3, 2, 0]);
  });

  it('is not asked for a third time', async () => {
    const { upstream, requests } = await counting((request) => request === 1);
    const filter = await guard(upstream);
    await scrape(filter);
    expect((await scrape(filter)).status).toBe(502);
    expect([requests(), failures.length]).toEqual([3, 1]);
  });

  it('is not asked again where it is new', async () => {
    const { upstream, requests } = await counting(() => false);
    expect((await scrape(await guard(upstream))).status).toBe(502);
    expect(requests()).toBe(1);
  });
});
