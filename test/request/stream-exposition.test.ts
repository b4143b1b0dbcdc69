import { once } from 'node:events';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type {
  Exposition,
  RenderedExposition,
  ScrapeRequest,
  StreamedExposition,
} from '../../src/exposition/exposition.js';
import type { MetricsFilterOptions } from '../../src/request/guard.js';
import {
  beginScrape,
  digestOf,
  listenFilter,
  scrape,
} from '../exposition/sources/upstream/upstream-servers.js';
import type { Listening } from '../support/listening.js';

const contentType = 'text/plain; version=0.0.4';
async function serve(
  render: (request: ScrapeRequest) => RenderedExposition | Promise<RenderedExposition>,
  overrides: Partial<MetricsFilterOptions> = {},
): Promise<Listening> {
  const exposition: Exposition = {
    contentType: () => contentType,
    render: (request) => Promise.resolve(render(request)),
  };
  return listenFilter(exposition, overrides);
}

/** A body of the chunks given; `fault` is thrown behind them. */
async function* bodyOf(chunks: Iterable<Uint8Array>, fault?: Error): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk;
    await Promise.resolve();
  }
  if (fault !== undefined) throw fault;
}

/** A body that says what becomes of it and never ends. */
function endless(): { readonly body: AsyncIterable<Uint8Array>; readonly closed: Promise<void> } {
  let close: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (close = resolve));
  const body: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => body,
    next: () => Promise.resolve({ done: false, value: Buffer.alloc(1024) }),
    return: () => {
      close();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return { body, closed };
}

it('a text arrives as its UTF-8 bytes, whichever its characters and however long', async () => {
  let text = '';
  const server = await serve(() => ({ contentType, body: text }));
  const alphabets = ['grapheme', 'grapheme-ascii', 'binary', 'binary-ascii'] as const;
  const texts = fc.oneof(...alphabets.map((unit) => fc.string({ unit, maxLength: 200 })));
  await fc.assert(
    // Longer than 256 KiB it is sent in pieces.
    fc.asyncProperty(texts, fc.constantFrom(1, 1, 1, 3000), async (piece, times) => {
      text = piece.repeat(times);
      const { status, headers, body } = await scrape(server);
      const bytes = Buffer.from(text);
      expect([status, headers['content-length']]).toEqual([200, String(bytes.byteLength)]);
      expect(body.equals(bytes)).toBe(true);
    }),
    {
      numRuns: 60,
      examples: [
        ['ünï 1\n', 1],
        ['\ud800', 1],
        ['ÿ', 3000],
        ['', 1],
      ],
    },
  );
});

describe('a streamed exposition', () => {
  it('arrives byte by byte, however it is cut', async () => {
    let chunks: readonly Uint8Array[] = [];
    const server = await serve(() => ({ contentType, body: bodyOf(chunks) }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 20 }), async (cut) => {
        chunks = cut;
        const { status, body } = await scrape(server);
        expect(status).toBe(200);
        expect(body.equals(Buffer.concat(cut))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps its length and coding, and is nobody else’s to keep', async () => {
    const server = await serve(() => ({
      contentType,
      contentEncoding: 'gzip',
      contentLength: 3,
      body: bodyOf([Buffer.from('abc')]),
    }));
    const { headers } = await scrape(server);
    expect(headers).toMatchObject({
      'content-type': contentType,
      'content-encoding': 'gzip',
      'content-length': '3',
      'cache-control': 'no-cache, private',
      'x-content-type-options': 'nosniff',
    });
  });

  it.each<[string, StreamedExposition]>([
    ['that fails in the middle', { contentType, body: bodyOf([Buffer.alloc(9)], new RangeError('secret')) }],
    ['that fails at once', { contentType, body: bodyOf([], new RangeError('secret')) }],
    [
      'that fails in the middle of its length',
      { contentType, contentLength: 18, body: bodyOf([Buffer.alloc(9)], new Error('secret')) },
    ],
    ['that is shorter than it said', { contentType, contentLength: 10, body: bodyOf([Buffer.alloc(9)]) }],
    [
      'that is longer than it said',
      { contentType, contentLength: 8, body: bodyOf([Buffer.alloc(5), Buffer.alloc(5)]) },
    ],
    ['that yields what is no bytes', { contentType, body: bodyOf([1 as never]) }],
  ])('%s breaks the transfer off', async (_which, rendered) => {
    const server = await serve(() => rendered);
    await expect(scrape(server)).rejects.toThrow();
  });

  it('is produced no faster than the client reads', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const total = 1024;
    let produced = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      for (; produced < total; produced += 1) {
        yield chunk;
        await Promise.resolve();
      }
    }
    const server = await serve(() => ({ contentType, body: body() }));
    const answer = await beginScrape(server);
    // It goes on until the sockets' buffers are full, and then stands still.
    let before = -1;
    await expect
      .poll(
        () => {
          const isStill = produced === before;
          before = produced;
          return isStill && produced > 0;
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(true);
    expect(produced).toBeLessThan(total / 2);
    let received = 0;
    for await (const part of answer as AsyncIterable<Buffer>) received += part.byteLength;
    expect(received).toBe(total * chunk.byteLength);
  });

  it('is not rendered for HEAD', async () => {
    let rendered = 0;
    const server = await serve(() => {
      rendered += 1;
      return { contentType, body: bodyOf([]) };
    });
    const { status, headers, body } = await scrape(server, {}, 'HEAD');
    expect([status, headers['content-type'], body.byteLength, rendered]).toEqual([200, contentType, 0, 0]);
  });

  it('may be a Node stream', async () => {
    const bytes = Buffer.alloc(200_000, 'metric 1\n');
    const server = await serve(() => ({
      contentType,
      body: Readable.from([bytes]) as AsyncIterable<Uint8Array>,
    }));
    expect(digestOf((await scrape(server)).body)).toBe(digestOf(bytes));
  });
});

describe('a client that goes away', () => {
  it('ends the body, and its scrape is told as it is', async () => {
    const { body, closed } = endless();
    let signal: AbortSignal | undefined;
    const server = await serve((request) => {
      signal = request.signal;
      return { contentType, body };
    });
    const answer = await beginScrape(server);
    expect(signal?.aborted).toBe(false);
    answer.destroy();
    await closed;
    expect(signal?.aborted).toBe(true);
  });

  it('is noticed before the body begins', async () => {
    let begun: () => void = () => undefined;
    const rendering = new Promise<void>((resolve) => (begun = resolve));
    const { body, closed } = endless();
    const server = await serve(async ({ signal }) => {
      begun();
      if (signal !== undefined) await once(signal, 'abort');
      return { contentType, body };
    });
    const scraping = beginScrape(server);
    await rendering;
    for (const socket of server.open) socket.destroy();
    await expect(scraping).rejects.toThrow();
    await closed;
  });

  it('is not one that has got everything', async () => {
    let signal: AbortSignal | undefined;
    const server = await serve((request) => {
      signal = request.signal;
      return { contentType, body: bodyOf([Buffer.from('a 1\n')]) };
    });
    await scrape(server);
    await expect.poll(() => server.open.size).toBe(0);
    expect(signal?.aborted).toBe(false);
  });
});

describe('what an exposition is told of a scrape', () => {
  it.each([
    ['10', 10],
    ['9.5', 9.5],
    ['0.001', 0.001],
    ['86400', 3600],
    ['0', undefined],
    ['-1', undefined],
    ['NaN', undefined],
    ['Infinity', undefined],
    ['1e3', undefined],
    ['10, 20', undefined],
    ['', undefined],
  ])('a timeout header of %j is %j seconds', async (header, seconds) => {
    let told: number | undefined = -1;
    const server = await serve(({ timeoutSeconds }) => {
      told = timeoutSeconds;
      return { contentType, body: bodyOf([]) };
    });
    await scrape(server, { 'X-Prometheus-Scrape-Timeout-Seconds': header });
    expect(told).toBe(seconds);
  });

  it('is nothing where the client says nothing', async () => {
    let told: unknown;
    const server = await serve(({ accept, acceptEncoding, timeoutSeconds }) => {
      told = { accept, acceptEncoding, timeoutSeconds };
      return { contentType, body: bodyOf([]) };
    });
    await scrape(server);
    expect(told).toEqual({ accept: '', acceptEncoding: '', timeoutSeconds: undefined });
  });

  it.each(['next', 'return'] as const)(
    'breaks off alone where its %s throws in an event of the response',
    async (method) => {
      let count = 0;
      const thrown = vi.fn(() => {
        throw new Error('thrown and not rejected');
      });
      const body: AsyncIterableIterator<Uint8Array> = {
        [Symbol.asyncIterator]: () => body,
        next: () => {
          count += 1;
          return method === 'next' && count > 2
            ? thrown()
            : Promise.resolve({ done: false, value: Buffer.alloc(4 * 1024 * 1024) });
        },
        return: () => (method === 'return' ? thrown() : Promise.resolve({ done: true, value: undefined })),
      };
      const server = await serve(() => ({ contentType, body }));
      const answer = await beginScrape(server);
      if (method === 'return') answer.destroy();
      else answer.resume();
      await expect.poll(() => thrown).toHaveBeenCalled();
      await expect.poll(() => answer.closed).toBe(true);
      count = 0;
      const another = await beginScrape(server);
      expect(another.statusCode).toBe(200);
      another.destroy();
    },
  );
});
