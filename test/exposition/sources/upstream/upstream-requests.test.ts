import type { IncomingHttpHeaders } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scrape } from './upstream-servers.js';
import { listenHttp } from '../../../support/listening.js';
import { guard, send } from './upstream-setting.js';
import { words } from '../../../support/words.js';

describe('what an upstream is told of a scrape', () => {
  async function heard(headers: Readonly<Record<string, string | readonly string[]>>) {
    let told: IncomingHttpHeaders = {};
    const upstream = await listenHttp((request, response) => {
      told = request.headers;
      send('a 1\n')(request, response);
    });
    await scrape(await guard(upstream), headers);
    const { host, connection, ...rest } = told;
    expect([host, connection]).toEqual([`127.0.0.1:${upstream.port}`, 'keep-alive']);
    return rest;
  }

  it('is format, coding and patience, and who asks on whose behalf', async () => {
    expect(
      await heard({
        Accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5',
        'Accept-Encoding': 'gzip',
        'X-Prometheus-Scrape-Timeout-Seconds': '9.5',
        'User-Agent': 'Prometheus/2.42.0',
      }),
    ).toEqual({
      accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5',
      'accept-encoding': 'gzip',
      'x-prometheus-scrape-timeout-seconds': '9.5',
      'user-agent': expect.stringMatching(/^kcp-metrics-filter\/\d/) as string,
    });
  });

  it.each([
    ['gzip, deflate, br, zstd', 'gzip, deflate, br, zstd'],
    ['GZip;q=0.5, identity; q=0', 'gzip;q=0.5, identity;q=0'],
    ['compress, *', 'identity'],
    ['', 'identity'],
    ['gzip;secret=1', 'identity'],
    ['gzip, gzip', 'gzip'],
  ])('of the codings %j is %j', async (sent, told) => {
    expect((await heard({ 'Accept-Encoding': sent }))['accept-encoding']).toBe(told);
  });

  it('is nothing of any other header', async () => {
    let told: IncomingHttpHeaders = {};
    const upstream = await listenHttp((request, response) => {
      told = request.headers;
      send('a 1\n')(request, response);
    });
    const filter = await guard(upstream);
    const name = fc.oneof(
      fc.constantFrom(
        ...words(`
          Cookie X-Remote-User X-Remote-Group X-Remote-Extra-Scopes X-Forwarded-For Forwarded
          Proxy-Authorization Range If-None-Match Referer TE Via Accept-Language
        `),
      ),
      fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/),
    );
    const framing =
      /^(?:host|connection|content-length|transfer-encoding|upgrade|expect|keep-alive|trailer|accept|accept-encoding|authorization|impersonate-.*|x-prometheus-scrape-timeout-seconds)$/i;
    const headers = fc.dictionary(
      name.filter((candidate) => !framing.test(candidate)),
      fc.stringMatching(/^[!-~]{1,30}$/),
      { maxKeys: 10 },
    );
    await fc.assert(
      fc.asyncProperty(headers, async (given) => {
        const { status } = await scrape(filter, given);
        expect(status).toBe(200);
        expect(Object.keys(told).sort()).toEqual(['accept-encoding', 'connection', 'host', 'user-agent']);
        expect(told['user-agent']).toMatch(/^kcp-metrics-filter\//);
      }),
      { numRuns: 100 },
    );
  });
});
