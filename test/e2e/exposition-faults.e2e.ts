import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { listenHttp } from '../support/listening.js';
import { RawClient } from '../support/raw-tls.js';
import { isPrometheusSkipped } from './binaries.js';
import { damagedUpstream } from './damaged-upstream.js';
import { inWords, printFigure } from './figures.js';
import type { FilterUnderTest } from './filter-under-test.js';
import { filterOfTest, prometheusOfTest, upstreamOfTest } from './ingested.js';
import { metricsOf } from './metrics.js';
import { scrapeOnce } from './scrape-once.js';
import { servingPlace, type ServingPlace } from './serving-place.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';

const settles = { timeout: 60_000, interval: 100 };
const mebibyte = 1024 * 1024;

/**
 * Who asks is in this process, beside the upstream and the scraper: what it measures is theirs, too. A filter that did
 * nothing else meanwhile would not answer for seconds.
 */
const livezBoundMs = 1_000;

/** Lines of the text format, about so many bytes together. */
function exposition(bytes: number): Buffer {
  const lines = ['# HELP sold_total Sold.\n# TYPE sold_total counter\n'];
  const line = (at: number): string =>
    `sold_total{shop="shop-${at % 100}",item="an item of a shop that has very many of them, number ${at}"} ${at}\n`;
  for (let at = 0, length = 0; length < bytes; at += 1) {
    const text = line(at);
    lines.push(text);
    length += text.length;
  }
  return Buffer.from(lines.join(''));
}

const ways = {
  'passed on': (url: string) => [`--upstream=${url}`],
  'passed on and not compressed': (url: string) => [`--upstream=${url}`, '--disable-compression'],
  relabelled: (url: string) => [`--upstream=${url}`, '--rename-labels=shop=store'],
} as const;

const accepted = { 'Accept-Encoding': 'gzip', Accept: 'text/plain' };

describe('an upstream that breaks off in the middle of its exposition', () => {
  const cases = Object.entries(ways).flatMap(([way, flagsOf]) =>
    (['closed', 'reset'] as const).flatMap((damage) =>
      [true, false].flatMap((saysLength) =>
        ['gzip', 'identity'].map((coding) => ({ way, flagsOf, damage, saysLength, coding })),
      ),
    ),
  );
  it.each(cases)(
    'is never a short success: $way, $damage, with a length: $saysLength, $coding',
    async ({ flagsOf, damage, saysLength, coding }) => {
      const place = await servingPlace();
      const upstream = await damagedUpstream({ body: exposition(2 * mebibyte), saysLength });
      const { port } = await filterOfTest(place, flagsOf(upstream.url));
      const headers = { ...accepted, 'Accept-Encoding': coding };
      upstream.set(damage);
      // Relabelled, so little may have come of it that it can be answered with a status.
      const answer = await scrapeOnce(place, port, { headers }).catch(() => 'broken off');
      if (answer !== 'broken off') expect(answer).toMatchObject({ status: 502 });
      upstream.set('none');
      expect((await scrapeOnce(place, port, { headers })).status).toBe(200);
    },
  );

  it.each(['closed', 'reset', 'stalled'] as const)(
    'is left out where others are merged: %s',
    async (damage) => {
      const place = await servingPlace();
      const upstream = await damagedUpstream({ body: exposition(2 * mebibyte), saysLength: false });
      const other = await upstreamOfTest('# TYPE other gauge\nother 1\n');
      const { port } = await filterOfTest(place, [`--upstream=broken=${upstream.url},other=${other}`]);
      upstream.set(damage);
      const headers = { 'X-Prometheus-Scrape-Timeout-Seconds': '2' };
      const { status, body } = await scrapeOnce(place, port, { headers });
      expect(status).toBe(200);
      expect(body.toString()).not.toContain('sold_total');
      const metrics = metricsOf(body.toString());
      expect(metrics.sum('other', { upstream: 'other' })).toBe(1);
      expect(metrics.sum('kcp_metrics_filter_upstream_up', { upstream: 'broken' })).toBe(0);
    },
  );

  describe.skipIf(isPrometheusSkipped)('for Prometheus', () => {
    it.each(Object.entries(ways))('is down, and none of it is ingested: %s', async (_way, flagsOf) => {
      const place = await servingPlace();
      const upstream = await damagedUpstream({ body: exposition(mebibyte), saysLength: false });
      const { port } = await filterOfTest(place, flagsOf(upstream.url));
      const prometheus = await prometheusOfTest(place, port, 3_000);
      const isUp = (): Promise<number | undefined> => prometheus.valueOf('up');
      await expect.poll(isUp, settles).toBe(1);
      for (const damage of ['closed', 'reset'] as const) {
        upstream.set(damage);
        await expect.poll(isUp, settles).toBe(0);
        expect(await prometheus.lastError()).toMatch(/EOF|reset|502 Bad Gateway/);
        expect(await prometheus.valueOf('scrape_samples_scraped')).toBe(0);
        expect(await prometheus.valueOf('count(sold_total)')).toBeUndefined();
        upstream.set('none');
        await expect.poll(isUp, settles).toBe(1);
      }
    });

    it.each(Object.entries(ways))('is answered 504 in time where it is silent: %s', async (_way, flagsOf) => {
      const place = await servingPlace();
      const upstream = await damagedUpstream({ body: exposition(1_000), saysLength: true });
      const { port } = await filterOfTest(place, flagsOf(upstream.url));
      upstream.set('silent');
      const prometheus = await prometheusOfTest(place, port, 3_000);
      await expect.poll(() => prometheus.valueOf('count_over_time(up[1m]) >= 3'), settles).toBeDefined();
      expect(await prometheus.valueOf('max_over_time(up[1m])')).toBe(0);
      expect(await prometheus.lastError()).toContain('504 Gateway Timeout');
    });

    it('leaves the others as they are where it is silent and they are merged', async () => {
      const place = await servingPlace();
      const upstream = await damagedUpstream({ body: exposition(1_000), saysLength: true });
      const other = await upstreamOfTest('# TYPE other gauge\nother 1\n');
      const { port } = await filterOfTest(place, [`--upstream=silent=${upstream.url},other=${other}`]);
      upstream.set('silent');
      const prometheus = await prometheusOfTest(place, port, 3_000);
      await expect.poll(() => prometheus.valueOf('count_over_time(up[1m]) >= 3'), settles).toBeDefined();
      expect(await prometheus.valueOf('min_over_time(up[1m])')).toBe(1);
      expect(await prometheus.valueOf('other')).toBe(1);
      expect(await prometheus.valueOf('kcp_metrics_filter_upstream_up{upstream="silent"}')).toBe(0);
    });
  });
});

describe('an upstream that redirects', () => {
  const cases = [...Object.entries(ways), ['merged', (url: string) => [`--upstream=a=${url}`]] as const];
  it.each(cases)('is not followed: %s', async (_way, flagsOf) => {
    const place = await servingPlace();
    const elsewhere = await listenHttp((_, response) => response.end('secret 1\n'));
    let status = 0;
    const upstream = await listenHttp((_, response) => {
      response.writeHead(status, { Location: `http://localhost:${elsewhere.port}/metrics` }).end();
    });
    const { port } = await filterOfTest(place, flagsOf(`http://127.0.0.1:${upstream.port}`));
    for (status of [301, 302, 303, 307, 308]) expect((await scrapeOnce(place, port)).status).toBe(502);
    expect(elsewhere.connections()).toBe(0);
  });
});

describe('an upstream of 50 MB', () => {
  const body = exposition(50 * mebibyte);
  const cases = Object.entries(ways).flatMap(([way, flagsOf]) =>
    ['gzip', 'identity'].map((coding) => ({ way, flagsOf, coding })),
  );
  it.each(cases)(
    'costs less than 150 MiB, and the filter goes on answering others: $way, $coding',
    async ({ way, flagsOf, coding }) => {
      const place = await servingPlace();
      const filter = await filterOfTest(place, flagsOf(await upstreamOfTest(body)));
      const before = await residentMebibytes(place, filter);
      const watched = watch(place, filter);
      const { status } = await scrapeOnce(place, filter.port, { headers: { 'Accept-Encoding': coding } });
      const { mostMebibytes, livez } = await watched.end();
      expect(status).toBe(200);
      printFigure(
        `50 MB ${way}, ${coding}: +${Math.round(mostMebibytes - before)} MiB, livez ${inWords(elapsed(livez))}`,
      );
      // Some 60 usually; what is no longer used stays until it is collected, longer where others use the processors.
      expect(mostMebibytes - before).toBeLessThan(150);
      expect(own(livez).p99).toBeLessThan(livezBoundMs);
    },
  );

  it('can be merged', async () => {
    const place = await servingPlace();
    const filter = await filterOfTest(place, [`--upstream=large=${await upstreamOfTest(body)}`]);
    const before = await residentMebibytes(place, filter);
    const watched = watch(place, filter);
    const { status } = await scrapeOnce(place, filter.port);
    const { mostMebibytes, livez } = await watched.end();
    printFigure(
      `50 MB merged: ${status}, +${Math.round(mostMebibytes - before)} MiB, livez ${inWords(elapsed(livez))}`,
    );
    expect(mostMebibytes - before).toBeLessThan(250);
    expect(own(livez).p99).toBeLessThan(livezBoundMs);
  });
});

describe('an upstream that sends what was not asked for', () => {
  // 10 GB.
  const bomb = Buffer.concat(new Array<Buffer>(1_000).fill(gzipSync(Buffer.alloc(10 * mebibyte))));
  const line = Buffer.alloc(20 * mebibyte, 'a');
  const answers = [
    ['a gzip bomb', bomb, { 'Content-Encoding': 'gzip' }],
    ['a line without an end', line, {}],
  ] as const;
  const filters = [
    ['relabelled', ways.relabelled],
    ['merged', (url: string) => [`--upstream=a=${url}`]],
  ] as const;
  const cases = answers.flatMap(([what, body, headers]) =>
    filters.map(([how, flagsOf]) => ({ what, body, headers, how, flagsOf })),
  );
  it.each(cases)('is a 502 for little memory: $what, $how', async ({ body, headers, flagsOf }) => {
    const place = await servingPlace();
    const upstream = await damagedUpstream({ body, saysLength: true, headers });
    const filter = await filterOfTest(place, flagsOf(upstream.url));
    const before = await residentMebibytes(place, filter);
    const watched = watch(place, filter);
    for (let scrape = 0; scrape < 3; scrape += 1) {
      expect((await scrapeOnce(place, filter.port, { headers: accepted })).status).toBe(502);
    }
    const { mostMebibytes, livez } = await watched.end();
    expect(mostMebibytes - before).toBeLessThan(60);
    expect(own(livez).p99).toBeLessThan(livezBoundMs);
  });
});

/** As the filter itself says it, where its own metrics are served beside others'. */
async function residentMebibytes(place: ServingPlace, { port }: FilterUnderTest): Promise<number> {
  const { body } = await scrapeOnce(place, port, { path: '/metrics/filter' });
  return metricsOf(body.toString()).sum('process_resident_memory_bytes') / mebibyte;
}

interface Watch {
  end(): Promise<{ readonly mostMebibytes: number; readonly livez: readonly Duration[] }>;
}

/** Asks how it is, over and over. */
function watch(place: ServingPlace, filter: FilterUnderTest): Watch {
  const over = new AbortController();
  const times: Duration[] = [];
  const client = new RawClient({ port: filter.port });
  const asking = (async () => {
    let mostMebibytes = 0;
    do {
      for (let ask = 0; ask < 10; ask += 1) {
        const stopwatch = new Stopwatch();
        expect((await client.request('/livez')).status).toBe(200);
        times.push(stopwatch.read());
      }
      mostMebibytes = Math.max(mostMebibytes, await residentMebibytes(place, filter));
    } while (!over.signal.aborted);
    client.close();
    return mostMebibytes;
  })();
  return {
    async end() {
      over.abort();
      return { mostMebibytes: await asking, livez: times };
    },
  };
}
