import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { mergedExposition } from '../../../src/exposition/merging/merged-exposition.js';
import type {
  MergedExpositionOptions,
  MemberFailure,
} from '../../../src/exposition/merging/merging-options.js';
import { upstreamExposition } from '../../../src/exposition/sources/upstream/upstream.js';
import { recordedShardMetrics } from '../text-format/expositions.js';
import { beginScrape, listenFilter, scrape } from '../sources/upstream/upstream-servers.js';
import { listen, type Listening } from '../../support/listening.js';
import { send, textFormat } from '../sources/upstream/upstream-setting.js';
import { closedAtEnd } from '../../support/ending.js';
import { localAuthority } from '../../support/local-authority.js';

const { authority, serving: certificate } = await localAuthority();

const timeoutHeader = 'X-Prometheus-Scrape-Timeout-Seconds';
const failures: MemberFailure[] = [];
beforeEach(() => {
  failures.splice(0);
});

function application(answer: RequestListener): Promise<Listening> {
  const { certificatePem: cert, privateKeyPem: key } = certificate;
  return listen(createServer({ cert, key }, answer));
}

/** A filter whose /metrics is all of them, over TLS: `a`, `b` and so on. */
function guard(
  upstreams: readonly Listening[],
  options: Partial<MergedExpositionOptions> = {},
): Promise<Listening> {
  const members = upstreams.map(({ port }, at) => {
    const name = String.fromCharCode(97 + at);
    const exposition = closedAtEnd(
      upstreamExposition({
        url: `https://127.0.0.1:${port}/metrics`,
        ca: authority.certificatePem,
        answeringMs: 0,
      }),
    );
    return { name, exposition, labels: { upstream: name } };
  });
  const onFailure = (failure: MemberFailure): unknown => failures.push(failure);
  return listenFilter(mergedExposition({ members, onFailure, ...options }));
}

const good = send('# TYPE m gauge\nm 1\n');
const goodSeries = '# TYPE m gauge\nm{upstream="a"} 1\n';
const brokenOff: RequestListener = (_request, response) => {
  response.writeHead(200, { 'Content-Type': textFormat });
  response.write('# TYPE m gauge\nm{x="1"} 2\n', () => response.socket?.destroy());
};
const silentInTheMiddle: RequestListener = (_request, response) => {
  response.writeHead(200, { 'Content-Type': textFormat });
  response.write('m{x="1"} 2\n');
};
/** More than anybody takes. */
const endless: RequestListener = (_request, response) => {
  response.writeHead(200, { 'Content-Type': textFormat });
  const chunk = Buffer.from(`# ${'x'.repeat(1000)}\n`.repeat(64));
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
};

describe('several https upstreams', () => {
  it('are scraped at the same time, and merged', async () => {
    let waiting: (() => void)[] = [];
    const both: RequestListener = (request, response) => {
      waiting.push(() => {
        good(request, response);
      });
      if (waiting.length < 2) return;
      for (const answer of waiting) answer();
      waiting = [];
    };
    const filter = await guard([await application(both), await application(both)]);
    const { status, headers, body } = await scrape(filter);
    expect([status, headers['content-type']]).toEqual([200, textFormat]);
    expect(body.toString()).toContain('# TYPE m gauge\nm{upstream="a"} 1\nm{upstream="b"} 1\n');
    expect(body.toString()).toMatch(/_up\{upstream="a"\} 1\n.*_up\{upstream="b"\} 1\n/s);
    expect(failures).toEqual([]);
  });

  const faults: readonly (readonly [string, RequestListener, MemberFailure['reason'], RegExp])[] = [
    ['answers 500', send('secret', {}, 500), 'unavailable', /: answered 500$/],
    ['redirects', send('', { Location: 'http://169.254.169.254/' }, 302), 'unavailable', /: answered 302$/],
    ['hangs up', (request) => request.socket.destroy(), 'unavailable', /: connection closed by the server/],
    ['is killed in the middle', brokenOff, 'unavailable', /: connection closed by the server/],
    ['never answers', () => undefined, 'timeout', /(?:no answer|not whole) within 1500 ms/],
    ['falls silent in the middle', silentInTheMiddle, 'timeout', /^b: not whole within 1500 ms$/],
    ['never ends', endless, 'too-large', /^b: more than 4000000 bytes$/],
    [
      'is too large',
      send(`m{x="${'x'.repeat(100)}"} 1\n`.repeat(40_000)),
      'too-large',
      /^b: more than 4000000/,
    ],
    ['has a malformed line', send('m 1\nm secret\n'), 'malformed', /^b: line 2: the value is not a number/],
    ['is cut off', send('m 1\nm{x="1'), 'malformed', /^b: line 2: a quoted text is not closed/],
    [
      'sends a bomb that nobody asked for',
      send(gzipSync(Buffer.alloc(10_000_000, 'm 1\n')), { 'Content-Encoding': 'gzip' }),
      'unavailable',
      /^b: it is encoded$/,
    ],
    [
      'sends OpenMetrics',
      send('m 1\n# EOF\n', { 'Content-Type': 'application/openmetrics-text' }),
      'unavailable',
      /^b: its format is not the text format$/,
    ],
  ];
  it.each(faults)('one %s: the others are served, nothing of it is', async (_which, answer, reason, why) => {
    const bad = await application(answer);
    const filter = await guard([await application(good), bad], { maxHeldBytes: 4_000_000 });
    const isLate = reason === 'timeout';
    const { status, body } = await scrape(filter, isLate ? { [timeoutHeader]: '2' } : {});
    expect(status).toBe(200);
    expect(body.toString().startsWith(`${goodSeries}# HELP kcp_metrics_filter_upstream_up`)).toBe(true);
    expect(body.toString()).toMatch(/_up\{upstream="a"\} 1\n.*_up\{upstream="b"\} 0\n/);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ member: 'b', reason });
    expect(failures[0]?.error.message).toMatch(why);
    expect(failures[0]?.error.message).not.toContain('secret');
    // Nothing is left of what was not read to its end.
    if (isLate || reason === 'too-large') await expect.poll(() => bad.open.size).toBe(0);
  });

  it('of which none answers are 502, and 504 where all of them took too long', async () => {
    const broken = await application(send('', {}, 500));
    const slow = await application(() => undefined);
    expect((await scrape(await guard([broken, slow]), { [timeoutHeader]: '2' })).status).toBe(502);
    expect((await scrape(await guard([slow, slow]), { [timeoutHeader]: '0.2' })).status).toBe(504);
  });

  it('of which one is large come whole: 50 MB beside one line', async () => {
    const recorded = recordedShardMetrics();
    const large = Buffer.concat(Array.from({ length: 25 }, () => recorded));
    const filter = await guard([await application(good), await application(send(large))], {
      timeoutMs: 60_000,
      maxHeldBytes: 128 * 1024 * 1024,
    });
    const { status, body } = await scrape(filter);
    expect(status).toBe(200);
    // The same series stand there 25 times, and each time under a header.
    const lines = (text: string): number => text.split('\n').filter((line) => /^[^#]/.test(line)).length;
    expect(lines(body.toString())).toBe(25 * lines(recorded.toString()) + 1 + 4);
    const headers = body.toString().match(/^# TYPE .*/gm) ?? [];
    expect(new Set(headers).size).toBe(headers.length);
  }, 60_000);

  it('are left alone when the scraper goes away', async () => {
    let arrived: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (arrived = resolve));
    const slow = await application(() => {
      arrived();
    });
    const filter = await guard([await application(good), slow]);
    const scraping = beginScrape(filter);
    await asked;
    for (const socket of filter.open) socket.destroy();
    await expect(scraping).rejects.toThrow();
    await expect.poll(() => slow.open.size).toBe(0);
    expect(failures).toEqual([]);
  });
});
