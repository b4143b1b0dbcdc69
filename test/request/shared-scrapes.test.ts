import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { RenderingLimit, limitedExposition } from '../../src/exposition/delivery/rendering-limit.js';
import { sharedExposition, type ScrapeOrigin } from '../../src/exposition/delivery/shared-exposition.js';
import { contentType, renderingOf, scriptedExposition } from '../exposition/delivery/scripted-source.js';
import {
  beginScrape,
  digestOf,
  listenFilter,
  scrape,
} from '../exposition/sources/upstream/upstream-servers.js';

/** A filter whose renderings wait for what they are told; `scraped` resolves at the next scrape. */
async function setting() {
  const source = scriptedExposition();
  const limit = new RenderingLimit({ max: 3 });
  const origins: ScrapeOrigin[] = [];
  let onScrape: () => void = () => undefined;
  const shared = sharedExposition(limitedExposition(source, limit), {
    onScrape: (origin) => {
      origins.push(origin);
      onScrape();
    },
  });
  const server = await listenFilter(shared);
  const scraped = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onScrape = () => {
        if (origins.length >= count) resolve();
      };
      onScrape();
    });
  return { source, limit, origins, server, scraped };
}

describe('scrapes over connections of their own', () => {
  const chunks = Array.from({ length: 40 }, (_, at) => Buffer.alloc(50_000, `metric_${at} 1\n`));

  it('that come while a slow one is rendered get the same bytes, rendered once', async () => {
    const { source, limit, origins, server, scraped } = await setting();
    const scrapes = Array.from({ length: 10 }, () => scrape(server));
    await scraped(10);
    const { begin, body } = renderingOf(source);
    begin();
    body.script(...chunks, 'end');
    const digests = (await Promise.all(scrapes)).map((answer) => digestOf(answer.body));
    expect(new Set(digests)).toEqual(new Set([digestOf(Buffer.concat(chunks))]));
    expect([source.renderings.length, limit.underWay]).toEqual([1, 0]);
    expect(origins.filter((origin) => origin === 'joined')).toHaveLength(9);
  });

  it('that ask for a fourth rendering at once are answered 503, and may come again', async () => {
    const { source, server, scraped } = await setting();
    const scrapes = ['a/a', 'b/b'].map((accept) => scrape(server, { Accept: accept }));
    await scraped(2);
    // One place is not for who has all others.
    expect((await scrape(server, { Accept: 'c/c' })).status).toBe(503);
    scrapes.push(scrape(server, { Accept: 'c/c', Authorization: 'Bearer scraper-token' }));
    await scraped(4);
    const { status, headers, body } = await scrape(server, { Accept: 'd/d' });
    expect([status, headers['retry-after'], JSON.parse(body.toString())]).toEqual([
      503,
      '1',
      {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'limit of concurrent scrapes reached (3), try again later',
        reason: 'ServiceUnavailable',
        code: 503,
      },
    ]);
    const head = await scrape(server, { Accept: 'd/d' }, 'HEAD');
    expect([head.status, head.headers['content-type']]).toEqual([200, `${contentType}; asked=d/d`]);
    for (const { whole } of source.renderings) whole('a 1\n');
    expect((await Promise.all(scrapes)).map((answer) => answer.status)).toEqual([200, 200, 200]);
    const again = scrape(server, { Accept: 'd/d' });
    await scraped(6);
    renderingOf(source, 3).whole('d 1\n');
    expect((await again).headers['content-length']).toBe('4');
  });

  it.each(['the first', 'one who joined'])('are not disturbed when %s leaves in the middle', async (who) => {
    const { source, server, limit, scraped } = await setting();
    const first = beginScrape(server);
    await scraped(1);
    const joined = beginScrape(server);
    await scraped(2);
    const { begin, body } = renderingOf(source);
    begin();
    body.script(...chunks.slice(0, 20));
    const answers = await Promise.all([first, joined]);
    const [leaver, other] = who === 'the first' ? answers : [...answers].reverse();
    if (leaver === undefined || other === undefined) throw new RangeError('two scrape');
    await once(leaver, 'readable');
    leaver.destroy();
    await expect.poll(() => server.open.size).toBe(1);
    body.script(...chunks.slice(20), 'end');
    const received: Buffer[] = [];
    for await (const chunk of other as AsyncIterable<Buffer>) received.push(chunk);
    expect(digestOf(Buffer.concat(received))).toBe(digestOf(Buffer.concat(chunks)));
    expect([source.renderings.length, body.closed, limit.underWay]).toEqual([1, 0, 0]);
  });

  it('end the rendering when all of them have left', async () => {
    const { source, server, limit, scraped } = await setting();
    const scrapes = [beginScrape(server), beginScrape(server)];
    await scraped(2);
    const { begin, body, request } = renderingOf(source);
    begin();
    body.script(...chunks);
    for (const answer of await Promise.all(scrapes)) answer.destroy();
    await expect.poll(() => [body.closed, limit.underWay, request.signal?.aborted]).toEqual([1, 0, true]);
  });

  it('break off together where the rendering fails in the middle', async () => {
    const { source, server, limit, scraped } = await setting();
    const scrapes = [scrape(server), scrape(server)];
    await scraped(2);
    const { begin, body } = renderingOf(source);
    begin();
    body.script(...chunks, new Error('secret'));
    const results = await Promise.allSettled(scrapes);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(limit.underWay).toBe(0);
  });
});
