import { once } from 'node:events';
import { Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { Gauge, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import {
  compressedBody,
  contentCodings,
  encodedExposition,
} from '../../../src/exposition/delivery/encoded-exposition.js';
import type { Exposition, RenderedExposition } from '../../../src/exposition/exposition.js';
import { filteredExposition } from '../../../src/exposition/relabelling/filtered-exposition.js';
import { registriesExposition } from '../../../src/exposition/sources/registries-exposition.js';
import { upstreamExposition } from '../../../src/exposition/sources/upstream/upstream.js';
import { contentTypes, fixedExposition, textOf } from '../relabelling/filtering.js';
import { recordedShardMetrics } from '../text-format/expositions.js';
import { beginScrape, listenFilter, scrape } from '../sources/upstream/upstream-servers.js';
import { listenHttp, type Listening } from '../../support/listening.js';

const contentType = contentTypes.text;
const serve = (exposition: Exposition): Promise<Listening> => listenFilter(encodedExposition(exposition));

function decoded(coding: string, bytes: Uint8Array): Buffer {
  if (coding === 'gzip') return zlib.gunzipSync(bytes);
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Buffer };
  if (coding === 'zstd' && zstdDecompressSync !== undefined) return zstdDecompressSync(bytes);
  throw new RangeError(coding);
}

async function* chunked(bytes: Uint8Array, chunkBytes = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
    yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
  }
}

const recorded = recordedShardMetrics();
const small = recorded.subarray(0, 40_000);

describe.each(contentCodings)('an exposition in %s', (coding) => {
  const headers = { 'Accept-Encoding': coding };

  it.each<[what: string, rendered: () => RenderedExposition, isWhole: boolean]>([
    ['a text', () => ({ contentType, body: small.toString() }), true],
    ['bytes', () => ({ contentType, body: small }), true],
    ['a text beyond Latin-1', () => ({ contentType, body: 'ünï 1\n'.repeat(300) }), true],
    ['bytes called identity', () => ({ contentType, body: small, contentEncoding: 'identity' }), true],
    ['a long text', () => ({ contentType, body: recorded.toString() }), false],
    ['many bytes', () => ({ contentType, body: recorded }), false],
    ['a stream', () => ({ contentType, body: chunked(recorded) }), false],
    ['a short stream of no known length', () => ({ contentType, body: chunked(small) }), false],
    [
      'a stream of known length',
      () => ({ contentType, body: chunked(recorded), contentLength: recorded.byteLength }),
      false,
    ],
  ])('%s arrives as it was, and smaller', async (_what, rendered, isWhole) => {
    const plain = Buffer.from(await textOf(rendered()));
    const server = await serve({ contentType: () => contentType, render: () => Promise.resolve(rendered()) });
    const answer = await scrape(server, headers);
    expect(answer.headers).toMatchObject({
      'content-type': contentType,
      'content-encoding': coding,
      vary: 'Accept, Accept-Encoding',
    });
    expect(answer.headers['content-length']).toBe(isWhole ? String(answer.body.byteLength) : undefined);
    expect(answer.body.byteLength).toBeLessThan(plain.byteLength / 2);
    expect(decoded(coding, answer.body).equals(plain)).toBe(true);
  });

  it('breaks the transfer off where its source fails', async () => {
    async function* body(): AsyncGenerator<Uint8Array> {
      yield* chunked(recorded);
      throw new Error('broken');
    }
    const server = await serve(fixedExposition({ contentType, body: body() }));
    await expect(scrape(server, headers)).rejects.toThrow();
  });

  it('is ended where the scraper leaves', async () => {
    let close: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (close = resolve));
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield* chunked(recorded);
      } finally {
        close();
      }
    }
    const server = await serve(fixedExposition({ contentType, body: body() }));
    const answer = await beginScrape(server, headers);
    await once(answer, 'readable');
    answer.destroy();
    await expect(closed).resolves.toBeUndefined();
  });

  it('has been filtered first', async () => {
    const metrics = fixedExposition({ contentType, body: recorded });
    const exposition = filteredExposition(metrics, { keepMetrics: ['apiserver_*'] });
    const plain = await textOf(await exposition.render({ accept: '' }));
    const server = await serve(exposition);
    const { headers: answered, body } = await scrape(server, headers);
    expect(answered['content-encoding']).toBe(coding);
    expect(decoded(coding, body).toString()).toBe(plain);
  });

  it('may be of registries, whole or in chunks', async () => {
    const registry = new Registry();
    const gauge = new Gauge({ name: 'g', help: 'h', labelNames: ['pod'], registers: [registry] });
    const server = await serve(registriesExposition({ registries: [registry] }));
    for (const count of [100, 20_000]) {
      for (let pod = 0; pod < count; pod += 1) gauge.set({ pod }, pod);
      const { body } = await scrape(server, headers);
      expect(decoded(coding, body).toString()).toBe(await registry.metrics());
    }
  });
});

describe('an exposition stays as it is', () => {
  it.each<[what: string, headers: Record<string, string>, rendered: RenderedExposition]>([
    ['where nobody asks for a coding', {}, { contentType, body: small }],
    [
      'where identity is preferred',
      { 'Accept-Encoding': 'identity, gzip;q=0.5' },
      { contentType, body: small },
    ],
    ['where no coding fits', { 'Accept-Encoding': 'br, identity;q=0' }, { contentType, body: small }],
    ['where it is a short text', { 'Accept-Encoding': 'gzip' }, { contentType, body: 'a 1\n'.repeat(255) }],
    ['where it is empty', { 'Accept-Encoding': 'gzip' }, { contentType, body: '' }],
    [
      'where it is encoded',
      { 'Accept-Encoding': 'gzip' },
      { contentType, body: Buffer.alloc(5000), contentEncoding: 'br' },
    ],
    [
      'where it is encoded, and nobody asked for that',
      {},
      { contentType, body: Buffer.alloc(5000), contentEncoding: 'gzip' },
    ],
  ])('%s', async (_what, headers, rendered) => {
    const server = await serve(fixedExposition(rendered));
    const { status, headers: answered, body } = await scrape(server, headers);
    const plain = Buffer.from(rendered.body as string);
    expect(status).toBe(200);
    expect(answered['content-encoding']).toBe(rendered.contentEncoding);
    expect(answered['content-length']).toBe(String(plain.byteLength));
    expect(answered.vary).toBe('Accept, Accept-Encoding');
    expect(body.equals(plain)).toBe(true);
  });

  it('where a stream says that it is short', async () => {
    const body = chunked(Buffer.from('a 1\n'));
    const rendered = { contentType, contentLength: 4, body };
    const exposition = encodedExposition(fixedExposition(rendered));
    expect(await exposition.render({ accept: '', acceptEncoding: 'gzip' })).toBe(rendered);
  });
});

describe('in front of an upstream', () => {
  it('encodes what was not encoded, and passes on what was', async () => {
    const gzipped = zlib.gzipSync(small);
    for (const upstreamCoding of [undefined, 'gzip']) {
      const upstream = await listenHttp((_request, response) => {
        response.setHeader('Content-Type', contentType);
        if (upstreamCoding !== undefined) response.setHeader('Content-Encoding', upstreamCoding);
        response.end(upstreamCoding === undefined ? small : gzipped);
      });
      const exposition = upstreamExposition({ url: `http://127.0.0.1:${upstream.port}` });
      const server = await serve(exposition);
      const { headers, body } = await scrape(server, { 'Accept-Encoding': 'gzip' });
      expect(headers['content-encoding']).toBe('gzip');
      if (upstreamCoding !== undefined) expect(body.equals(gzipped)).toBe(true);
      expect(zlib.gunzipSync(body).equals(small)).toBe(true);
      exposition.close();
    }
  });
});

describe('a HEAD request', () => {
  it('renders and compresses nothing', async () => {
    const exposition = fixedExposition({ contentType, body: small });
    const server = await serve(exposition);
    const { status, headers } = await scrape(server, { 'Accept-Encoding': 'gzip' }, 'HEAD');
    expect([status, headers.vary, exposition.asked.length]).toEqual([200, 'Accept, Accept-Encoding', 0]);
  });
});

/** Compressors that remember being made. */
function compressors(): { readonly made: Transform[]; readonly open: () => Transform } {
  const made: Transform[] = [];
  const open = (): Transform => {
    const compressor = zlib.createGzip({ level: 1 });
    made.push(compressor);
    return compressor;
  };
  return { made, open };
}

/** Bytes without end that gzip cannot make smaller; says how many were taken, and whether it was closed. */
class Noise implements AsyncIterableIterator<Uint8Array> {
  taken = 0;
  closed = 0;
  #seed = 1;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const chunk = Buffer.allocUnsafe(16 * 1024);
    for (let at = 0; at < chunk.length; at += 4) {
      this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
      chunk.writeUInt32LE(this.#seed, at);
    }
    this.taken += 1;
    return Promise.resolve({ done: false, value: chunk });
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.closed += 1;
    return Promise.resolve({ done: true, value: undefined });
  }
}

async function* bodyOf(chunks: Iterable<Uint8Array>, fault?: Error): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
  if (fault !== undefined) throw fault;
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a compressed body', () => {
  it('is the body again, however it was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 30 }), async (chunks) => {
        const { made, open } = compressors();
        const compressed = await bytesOf(compressedBody(bodyOf(chunks), open));
        expect(zlib.gunzipSync(compressed).equals(Buffer.concat(chunks))).toBe(true);
        expect(made.map(({ destroyed }) => destroyed)).toEqual([true]);
      }),
      { numRuns: 60 },
    );
  });

  it('takes no more than it can hold while nobody reads on', async () => {
    const { open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    for (let read = 0; read < 20; read += 1) await body.next();
    let before = -1;
    await expect
      .poll(() => {
        const isStill = before === noise.taken;
        before = noise.taken;
        return isStill;
      })
      .toBe(true);
    expect(noise.taken).toBeLessThan(40);
    await body.return?.();
  });

  it('frees its compressor and closes its source when it is abandoned, once', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    await body.next();
    const closed = made.map((compressor) => once(compressor, 'close'));
    await body.return?.();
    await body.return?.();
    await Promise.all(closed);
    expect([noise.closed, made.length]).toEqual([1, 1]);
    expect(await body.next()).toEqual({ done: true, value: undefined });
    const { taken } = noise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(noise.taken).toBe(taken);
  });

  it('can be abandoned while it is waited for', async () => {
    const { made, open } = compressors();
    let closed = 0;
    const silent: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => silent,
      next: () => new Promise(() => undefined),
      return: () => Promise.resolve({ done: true, value: (closed += 1) }),
    };
    const body = compressedBody(silent, open);
    const waiting = body.next();
    await body.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect([closed, made[0]?.destroyed]).toEqual([1, true]);
  });

  it('makes no compressor where nobody reads it', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    await compressedBody(noise, open).return?.();
    expect([made.length, noise.closed, noise.taken]).toEqual([0, 1, 0]);
  });

  it('fails with its source', async () => {
    const { made, open } = compressors();
    const body = compressedBody(bodyOf([Buffer.alloc(100)], new RangeError('broken')), open);
    await expect(bytesOf(body)).rejects.toThrow('broken');
    expect(made[0]?.destroyed).toBe(true);
    expect(await body.next()).toEqual({ done: true, value: undefined });
  });

  it('fails where its source yields what is no bytes, and closes it', async () => {
    const { open } = compressors();
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve({} as never);
      } finally {
        isClosed = true;
      }
    }
    await expect(bytesOf(compressedBody(source(), open))).rejects.toThrow(TypeError);
    expect(isClosed).toBe(true);
  });

  it('closes its source where the compressor fails', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    await body.next();
    made[0]?.destroy(new RangeError('out of memory'));
    await expect(bytesOf(body)).rejects.toThrow('out of memory');
    expect(noise.closed).toBe(1);
  });

  it('fails where the compressor cannot be made', async () => {
    const noise = new Noise();
    const body = compressedBody(noise, () => {
      throw new RangeError('out of memory');
    });
    await expect(body.next()).rejects.toThrow('out of memory');
    expect(noise.closed).toBe(1);
  });

  it.each([
    ['before it is read', 0],
    ['while its stream is waited for', 1],
  ])('closes a stream at once where it is abandoned %s', async (_when, reads) => {
    const stream = new Readable({ read: () => undefined });
    const body = compressedBody(stream, compressors().open);
    const reading = Array.from({ length: reads }, () => body.next());
    await body.return?.();
    expect(stream.destroyed).toBe(true);
    await expect(Promise.all(reading)).resolves.toMatchObject(reading.map(() => ({ done: true })));
  });
});
