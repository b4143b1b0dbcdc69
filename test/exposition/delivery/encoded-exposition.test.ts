import { once } from 'node:events';
import * as zlib from 'node:zlib';
import { Gauge, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { contentCodings, encodedExposition } from '../../../src/exposition/delivery/encoded-exposition.js';
import type { Exposition, RenderedExposition } from '../../../src/exposition/exposition.js';
import { filteredExposition } from '../../../src/exposition/relabelling/filtered-exposition.js';
import { registriesExposition } from '../../../src/exposition/sources/registries.js';
import { upstreamExposition } from '../../../src/exposition/sources/upstream/upstream.js';
import { contentTypes, fixedExposition, textOf } from '../relabelling/filtering.js';
import { recordedShardMetrics } from '../text-format/expositions.js';
import {
  beginScrape,
  listenFilter,
  listenHttp,
  scrape,
  type Listening,
} from '../sources/upstream/upstream-servers.js';

const contentType = contentTypes.text;
const running: Listening[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function serve(exposition: Exposition): Promise<Listening> {
  const listening = await listenFilter(encodedExposition(exposition));
  running.push(listening);
  return listening;
}

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
      running.push(upstream);
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
