import type { ServerResponse } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { upstreamExposition } from '../../../../src/exposition/sources/upstream/upstream.js';
import { beginScrape, digestOf, scrape } from './upstream-servers.js';
import { listenHttp } from '../../../support/listening.js';
import { failures, guard, send, textFormat } from './upstream-setting.js';
import { words } from '../../../support/words.js';

describe('an upstream’s exposition', () => {
  it('is passed on byte by byte, with its content type', async () => {
    const body = '# HELP a b\n# TYPE a counter\na{x="ü"} 1\n';
    const length = String(Buffer.byteLength(body));
    const filter = await guard(await listenHttp(send(body, { 'Content-Length': length })));
    const answer = await scrape(filter);
    expect([answer.status, answer.headers['content-type'], answer.body.toString()]).toEqual([
      200,
      textFormat,
      body,
    ]);
    expect(answer.headers['content-length']).toBe(length);
  });

  it('is streamed: 50 MB arrive as they are, chunked or not', async () => {
    const bytes = Buffer.alloc(50 * 1024 * 1024);
    for (let at = 0; at < bytes.byteLength; at += 4096) bytes.write(`metric{at="${at}"} ${at}\n`, at);
    const upstream = await listenHttp((request, response) => {
      response.setHeader('Content-Type', textFormat);
      if (request.headers.accept === 'text/plain') response.end(bytes);
      else {
        response.write(bytes.subarray(0, 12_345));
        response.end(bytes.subarray(12_345));
      }
    });
    const filter = await guard(upstream);
    const expected = digestOf(bytes);
    expect(digestOf((await scrape(filter)).body)).toBe(expected);
    expect(digestOf((await scrape(filter, { Accept: 'text/plain' })).body)).toBe(expected);
  });

  it('is held in memory no further than the sockets hold it, where the scraper is slow', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const total = 2048;
    let sent = 0;
    const produce = (response: ServerResponse): void => {
      for (; sent < total;) {
        sent += 1;
        if (!response.write(chunk)) {
          response.once('drain', () => {
            produce(response);
          });
          return;
        }
      }
      response.end();
    };
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat });
      produce(response);
    });
    const answer = await beginScrape(await guard(upstream, { stallTimeoutMs: 200 }));
    let before = -1;
    await expect
      .poll(
        () => {
          const isStill = sent === before;
          before = sent;
          return isStill && sent > 0;
        },
        { interval: 300, timeout: 10_000 },
      )
      .toBe(true);
    expect(sent).toBeLessThan(total / 2);
    // A slow scraper is not the upstream's fault: the transfer has outlived the upstream's patience.
    let received = 0;
    for await (const part of answer as AsyncIterable<Buffer>) received += part.byteLength;
    expect(received).toBe(total * chunk.byteLength);
    expect(failures).toEqual([]);
  });

  it('keeps the coding that the scraper asked for', async () => {
    const body = 'a 1\n'.repeat(1000);
    const upstream = await listenHttp((request, response) => {
      const isGzip = /\bgzip\b/.test(String(request.headers['accept-encoding']));
      response.writeHead(200, { 'Content-Type': textFormat, ...(isGzip && { 'Content-Encoding': 'gzip' }) });
      response.end(isGzip ? gzipSync(body) : body);
    });
    const filter = await guard(upstream);
    const zipped = await scrape(filter, { 'Accept-Encoding': 'gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(zipped.body).toString()).toBe(body);
    expect((await scrape(filter)).body.toString()).toBe(body);
  });

  it.each([
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['X-GZip', 'gzip'],
    ['Identity', 'identity'],
    ['ZSTD', 'zstd'],
  ])('may say its coding in other words: %s', async (said, passedOn) => {
    const body = Buffer.from('coded');
    const filter = await guard(await listenHttp(send(body, { 'Content-Encoding': said })));
    const answer = await scrape(filter, { 'Accept-Encoding': passedOn });
    expect([answer.headers['content-encoding'], answer.body]).toEqual([passedOn, body]);
  });

  it.each([
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
    'text/plain; version="0.0.4"',
    'Text/Plain',
    'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
  ])('may be %s, which a HEAD is then told', async (contentType) => {
    const filter = await guard(await listenHttp(send('x', { 'Content-Type': contentType })));
    expect((await scrape(filter, {}, 'HEAD')).headers['content-type']).toBe(textFormat);
    expect((await scrape(filter)).headers['content-type']).toBe(contentType);
    expect((await scrape(filter, {}, 'HEAD')).headers['content-type']).toBe(contentType);
  });

  it('comes over one connection as long as that is kept, and over another where it was closed', async () => {
    const upstream = await listenHttp(send('a 1\n'));
    const filter = await guard(upstream);
    for (let count = 0; count < 5; count += 1) await scrape(filter);
    expect(upstream.connections()).toBe(1);
    for (const socket of upstream.open) socket.destroy();
    expect((await scrape(filter)).status).toBe(200);
    expect(upstream.connections()).toBe(2);
  });
});

describe('the URL of an upstream', () => {
  it.each([
    ['http://127.0.0.1:PORT', '/metrics'],
    ['http://127.0.0.1:PORT/', '/metrics'],
    ['http://127.0.0.1:PORT/app/metrics', '/app/metrics'],
    ['http://localhost:PORT/metrics?collect[]=a&name=b', '/metrics?collect[]=a&name=b'],
  ])('%s asks for %s', async (url, path) => {
    let asked: string | undefined;
    const upstream = await listenHttp((request, response) => {
      asked = request.url;
      send('a 1\n')(request, response);
    });
    const filter = await guard(upstream, { url: url.replace('PORT', String(upstream.port)) });
    expect((await scrape(filter)).status).toBe(200);
    expect(asked).toBe(path);
  });

  it.each([
    ...words(`
      http://user:secret@127.0.0.1/metrics http://secret@127.0.0.1/metrics ftp://secret/metrics
      unix:///secret.sock 127.0.0.1:8080/secret http://127.0.0.1/metrics#secret http://127.0.0.1/metrics#
      http://127.0.0.1:99999/secret http://
    `),
    'http://127.0.0.1/ secret',
    'http://127.0.0.1/\nsecret',
    '',
  ])('%j is refused, and not quoted', (url) => {
    expect(() => upstreamExposition({ url })).toThrow(/^must /);
    expect(() => upstreamExposition({ url })).not.toThrow(/secret/);
  });

  it('has a query that no message quotes', async () => {
    const upstream = await listenHttp(send('', {}, 500));
    const filter = await guard(upstream, { url: `http://127.0.0.1:${upstream.port}/metrics?token=secret` });
    await scrape(filter);
    expect(failures[0]?.message).toMatch(/\/metrics: answered 500$/);
  });
});
