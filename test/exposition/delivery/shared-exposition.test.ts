import { describe, expect, it, vi } from 'vitest';
import type { RenderedExposition, ScrapeRequest } from '../../../src/exposition/exposition.js';
import {
  sharedExposition,
  type ScrapeOrigin,
  type SharedExpositionOptions,
} from '../../../src/exposition/delivery/shared-exposition.js';
import { limitedExposition, RenderingLimit } from '../../../src/exposition/delivery/rendering-limit.js';
import { fixedExposition, textOf } from '../relabelling/filtering.js';
import { contentType, renderingOf, scriptedExposition, settled } from './scripted-source.js';

const prometheus: ScrapeRequest = { accept: 'text/plain;version=0.0.4', acceptEncoding: 'gzip' };

function setting(options: SharedExpositionOptions = {}) {
  const source = scriptedExposition();
  const origins: ScrapeOrigin[] = [];
  const exposition = sharedExposition(source, { ...options, onScrape: (origin) => origins.push(origin) });
  return { source, origins, exposition };
}

function iteratorOf({ body }: RenderedExposition): AsyncIterator<Uint8Array> {
  if (typeof body === 'string' || body instanceof Uint8Array) throw new TypeError('the body is whole');
  return body[Symbol.asyncIterator]();
}

describe('scrapes that ask for the same', () => {
  it('share a rendering that has not begun yet, and one that has', async () => {
    const { source, origins, exposition } = setting();
    const early = [exposition.render(prometheus), exposition.render(prometheus)];
    const rendering = renderingOf(source);
    rendering.begin({ contentEncoding: 'gzip' });
    const [first, second] = await Promise.all(early);
    const late = await exposition.render(prometheus);
    rendering.body.script(Buffer.from('a 1\n'), Buffer.from('b 2\n'), 'end');
    const all = [first, second, late].flatMap((rendered) => rendered ?? []);
    expect(await Promise.all(all.map(textOf))).toEqual(['a 1\nb 2\n', 'a 1\nb 2\n', 'a 1\nb 2\n']);
    expect(all.map((rendered) => 'contentEncoding' in rendered && rendered.contentEncoding)).toEqual([
      'gzip',
      'gzip',
      'gzip',
    ]);
    expect([source.renderings.length, origins, rendering.body.closed]).toEqual([
      1,
      ['rendered', 'joined', 'joined'],
      0,
    ]);
  });

  it('share whole bodies, as the same bytes', async () => {
    const { source, exposition } = setting();
    const scrapes = [exposition.render(prometheus), exposition.render(prometheus)];
    renderingOf(source).whole('ä 1\n');
    const [first, second] = await Promise.all(scrapes);
    expect(first?.body).toEqual(Buffer.from('ä 1\n'));
    expect(second?.body).toBe(first?.body);
  });

  it.each(['streamed', 'whole'])(
    'get it in several turns of the event loop where they are many: %s',
    async (how) => {
      const chunk = Buffer.alloc(256 * 1024, 'a 1\n');
      const { source, exposition } = setting();
      let turn = 0;
      let immediate = setImmediate(count);
      function count(): void {
        turn += 1;
        immediate = setImmediate(count);
      }
      const scrapes = Array.from({ length: 100 }, async () => {
        const rendered = await exposition.render(prometheus);
        if (how === 'streamed') await iteratorOf(rendered).next();
        return turn;
      });
      const rendering = renderingOf(source);
      if (how === 'whole') rendering.whole(chunk.toString());
      else {
        rendering.begin();
        rendering.body.script(chunk, 'end');
      }
      const turns = await Promise.all(scrapes);
      clearImmediate(immediate);
      expect(new Set(turns).size).toBeGreaterThan(5);
    },
  );

  it('get a new rendering once the one before is read', async () => {
    const { source, exposition } = setting();
    for (const at of [0, 1]) {
      const scrape = exposition.render(prometheus);
      renderingOf(source, at).begin();
      renderingOf(source, at).body.script(Buffer.from(`a ${at}\n`), 'end');
      expect(await textOf(await scrape)).toBe(`a ${at}\n`);
    }
  });

  it.each<[string, ScrapeRequest, SharedExpositionOptions?]>([
    ['blanks apart', { ...prometheus, accept: ' text/plain ; version=0.0.4 ' }],
    [
      'as other users, where the answer cannot depend on them',
      { ...prometheus, user: { name: 'b', groups: [] } },
      { perUser: false },
    ],
  ])('share one: %s', async (_which, request, options) => {
    const { source, exposition } = setting(options);
    void exposition.render(prometheus);
    void exposition.render(request);
    await settled();
    expect(source.renderings.map(({ request: { user } }) => user)).toEqual([undefined]);
  });
});

describe('scrapes that may get something else', () => {
  it.each<[string, ScrapeRequest, ScrapeRequest?]>([
    ['another format', { ...prometheus, accept: 'application/openmetrics-text' }],
    ['the same formats in another order', { accept: 'b,a' }, { accept: 'a,b' }],
    ['a quoted parameter with blanks', { accept: 'a;b="c;d"' }, { accept: 'a;b="c; d"' }],
    ['another coding', { ...prometheus, acceptEncoding: 'identity' }],
    ['another timeout: who waits for less may get less', { ...prometheus, timeoutSeconds: 1 }],
    ['another user', { ...prometheus, user: { name: 'b', groups: [] } }],
    [
      'another group',
      { ...prometheus, user: { name: 'b', groups: ['c'] } },
      { ...prometheus, user: { name: 'b', groups: ['d'] } },
    ],
    [
      'groups that only look the same',
      { ...prometheus, user: { name: 'b', groups: ['c,d'] } },
      { ...prometheus, user: { name: 'b', groups: ['c', 'd'] } },
    ],
    ['a header too long to be compared', { accept: 'a'.repeat(5000) }, { accept: 'a'.repeat(5000) }],
  ])('do not share: %s', async (_which, request, other = prometheus) => {
    const { source, exposition } = setting();
    void exposition.render(other);
    void exposition.render(request);
    await settled();
    expect(source.renderings).toHaveLength(2);
  });

  it('are told by nothing that was left out of the comparison', async () => {
    const { source, exposition } = setting();
    const request = { ...prometheus, cookie: 'of somebody' };
    void exposition.render(request);
    await settled();
    expect(renderingOf(source).request).toEqual({
      ...prometheus,
      signal: expect.any(AbortSignal) as AbortSignal,
    });
  });
});

describe('a rendering that fails', () => {
  it('before its first byte fails for all who share it, and is not remembered', async () => {
    const { source, exposition } = setting();
    const scrapes = [exposition.render(prometheus), exposition.render(prometheus)];
    renderingOf(source).fail(new RangeError('no'));
    expect(await Promise.allSettled(scrapes)).toMatchObject([
      { reason: { message: 'no' } },
      { reason: { message: 'no' } },
    ]);
    void exposition.render(prometheus);
    await settled();
    expect(source.renderings).toHaveLength(2);
  });

  it('in the middle breaks all, also those who are behind', async () => {
    const { source, exposition } = setting();
    const scrapes = [exposition.render(prometheus), exposition.render(prometheus)];
    const { begin, body } = renderingOf(source);
    begin();
    body.script(Buffer.from('a 1\n'), new RangeError('no'));
    const [first, behind] = (await Promise.all(scrapes)).map(iteratorOf);
    await first?.next();
    await expect(first?.next()).rejects.toThrow('no');
    await expect(behind?.next()).rejects.toThrow('no');
    expect([await first?.next(), body.closed]).toEqual([{ done: true, value: undefined }, 0]);
  });

  it('by a throw is one that rejects', async () => {
    const exposition = sharedExposition({
      contentType: () => contentType,
      render: () => {
        throw new RangeError('no');
      },
    });
    await expect(exposition.render(prometheus)).rejects.toThrow('no');
  });

  it('since it yields what is no bytes is closed', async () => {
    const { source, exposition } = setting();
    const scrape = exposition.render(prometheus);
    const { begin, body } = renderingOf(source);
    begin();
    body.next = () => Promise.resolve({ done: false, value: 'text' as never });
    await expect(textOf(await scrape)).rejects.toThrow(TypeError);
    expect(body.closed).toBe(1);
  });
});

describe('a scraper that goes away', () => {
  it('leaves the others what they had: the first no less than any other', async () => {
    const { source, exposition } = setting();
    const leaving = new AbortController();
    const scrapes = [
      exposition.render({ ...prometheus, signal: leaving.signal }),
      exposition.render(prometheus),
    ];
    const { begin, body, request } = renderingOf(source);
    leaving.abort();
    await expect(scrapes[0]).rejects.toThrow('aborted');
    begin();
    body.script(Buffer.from('a 1\n'), 'end');
    const [, other] = scrapes;
    expect(other && (await textOf(await other))).toBe('a 1\n');
    expect(request.signal?.aborted).toBe(false);
  });

  it('as the last, before it begins, aborts it; what comes of it is closed, and nobody joins it', async () => {
    const { source, exposition } = setting();
    const leaving = new AbortController();
    const scrape = exposition.render({ ...prometheus, signal: leaving.signal });
    const { begin, body, request } = renderingOf(source);
    leaving.abort();
    await expect(scrape).rejects.toThrow('aborted');
    expect(request.signal?.aborted).toBe(true);
    void exposition.render(prometheus);
    begin();
    await settled();
    expect([body.closed, source.renderings.length]).toEqual([1, 2]);
  });

  it('as the last, in the middle, aborts it while a chunk is waited for', async () => {
    const { source, exposition } = setting();
    const leaving = new AbortController();
    const scrape = exposition.render({ ...prometheus, signal: leaving.signal });
    const { begin, body, request } = renderingOf(source);
    begin();
    const next = iteratorOf(await scrape).next();
    leaving.abort();
    await expect(next).rejects.toThrow('aborted');
    expect([request.signal?.aborted, body.closed]).toEqual([true, 1]);
  });

  it('was gone before it asked: nothing is rendered', async () => {
    const { source, exposition } = setting();
    await expect(exposition.render({ ...prometheus, signal: AbortSignal.abort() })).rejects.toThrow();
    expect(source.renderings).toEqual([]);
  });
});

describe('scrapers of different speed', () => {
  const chunk = Buffer.alloc(1000, 'a');

  async function begun(options: SharedExpositionOptions, readers: number, chunks: number) {
    const { source, exposition } = setting({ windowBytes: 5000, ...options });
    const scrapes = Array.from({ length: readers }, () => exposition.render(prometheus));
    const { begin, body } = renderingOf(source);
    begin();
    body.script(...Array.from({ length: chunks }, () => chunk), 'end');
    return { source, exposition, body, iterators: (await Promise.all(scrapes)).map(iteratorOf) };
  }

  it('read no more than the fastest wants', async () => {
    const { body, iterators } = await begun({}, 2, 10);
    await iterators[0]?.next();
    await iterators[1]?.next();
    await settled();
    expect(body.asked).toBe(1);
  });

  it('are never further apart than the window', async () => {
    const { body, iterators } = await begun({}, 2, 100);
    let received = 0;
    const fast = (async () => {
      for (; (await iterators[0]?.next())?.done === false; received += 1);
    })();
    await settled();
    expect([received, body.asked]).toEqual([5, 5]);
    await iterators[1]?.next();
    await settled();
    expect([received, body.asked]).toEqual([6, 6]);
    await iterators[1]?.return?.();
    await fast;
    expect(received).toBe(100);
  });

  it('are cut where they hold up others for too long, all in all', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { iterators } = await begun({ laggardTimeoutMs: 1000 }, 2, 100);
    let received = 0;
    const fast = (async () => {
      for (; (await iterators[0]?.next())?.done === false; received += 1);
    })();
    await settled();
    vi.advanceTimersByTime(900);
    expect((await iterators[1]?.next())?.done).toBe(false);
    await settled();
    vi.advanceTimersByTime(90);
    await settled();
    expect(received).toBe(6);
    vi.advanceTimersByTime(20);
    await fast;
    expect(received).toBe(100);
    await expect(iterators[1]?.next()).rejects.toMatchObject({ code: 'ERR_LAGGING_SCRAPER' });
  });

  it('cannot join any more once the first chunks are gone, or will be', async () => {
    const { source, exposition, iterators } = await begun({}, 1, 10);
    for (let read = 0; read < 6; read += 1) await iterators[0]?.next();
    void exposition.render(prometheus);
    await settled();
    expect(source.renderings).toHaveLength(2);
    renderingOf(source, 1).begin({ contentLength: 5001 });
    await settled();
    void exposition.render(prometheus);
    await settled();
    expect(source.renderings).toHaveLength(3);
  });

  it('cannot join what a slow one has made old', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { source, exposition, iterators } = await begun({}, 1, 10);
    await iterators[0]?.next();
    vi.advanceTimersByTime(10_000);
    void exposition.render(prometheus);
    await settled();
    expect(source.renderings).toHaveLength(2);
  });
});

describe('a finished rendering', () => {
  it.each(['whole', 'streamed'])('that is %s is served again for as long as it is fresh', async (kind) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { source, origins, exposition } = setting({ freshnessMs: 1000 });
    const scrape = exposition.render(prometheus);
    const { begin, whole, body } = renderingOf(source);
    if (kind === 'whole') whole('a 1\nb 2\n');
    else begin();
    body.script(Buffer.from('a 1\n'), Buffer.from('b 2\n'), 'end');
    expect(await textOf(await scrape)).toBe('a 1\nb 2\n');
    vi.advanceTimersByTime(999);
    expect(await textOf(await exposition.render(prometheus))).toBe('a 1\nb 2\n');
    vi.advanceTimersByTime(1);
    void exposition.render(prometheus);
    await settled();
    expect(origins).toEqual(['rendered', 'kept', 'rendered']);
  });

  it('is not kept where it failed, or is too large; the oldest is forgotten for the newest', async () => {
    const { source, exposition } = setting({ freshnessMs: 10_000, maxKeptBytes: 10 });
    const scrape = async (accept: string, body: string): Promise<void> => {
      const rendering = exposition.render({ accept });
      renderingOf(source, source.renderings.length - 1).whole(body);
      await rendering;
    };
    const failing = exposition.render({ accept: 'failing' });
    renderingOf(source).fail(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    await scrape('large', 'a'.repeat(11));
    await scrape('old', 'a'.repeat(6));
    await scrape('new', 'a'.repeat(5));
    const before = source.renderings.length;
    for (const accept of ['new', 'failing', 'large', 'old']) void exposition.render({ accept });
    await settled();
    expect(source.renderings.slice(before).map(({ request }) => request.accept)).toEqual([
      'failing',
      'large',
      'old',
    ]);
  });
});

describe('finished renderings', () => {
  it('are kept in no greater number than 1024, however small', async () => {
    vi.useFakeTimers();
    const origins: ScrapeOrigin[] = [];
    const exposition = sharedExposition(fixedExposition({ contentType, body: '' }), {
      freshnessMs: 10_000,
      onScrape: (origin) => origins.push(origin),
    });
    for (let at = 0; at <= 1100; at += 1) await exposition.render({ accept: `${at}` });
    for (const at of [1100, 77, 76]) await exposition.render({ accept: `${at}` });
    vi.advanceTimersByTime(10_000);
    await exposition.render({ accept: '1100' });
    expect(origins.slice(1101)).toEqual(['kept', 'kept', 'rendered', 'rendered']);
  });

  it('keep no more memory than there are bytes', async () => {
    const { source, exposition } = setting({ freshnessMs: 10_000 });
    const short = (text: string): Buffer => Buffer.alloc(64 * 1024, text).subarray(0, 3);
    const whole = exposition.render({ accept: 'whole' });
    renderingOf(source).whole(short('a'));
    await whole;
    const streamed = exposition.render({ accept: 'streamed' });
    renderingOf(source, 1).begin();
    renderingOf(source, 1).body.script(short('b'), short('c'), 'end');
    await textOf(await streamed);
    const chunks: Uint8Array[] = [];
    for (const accept of ['whole', 'streamed']) {
      const { body } = await exposition.render({ accept });
      for await (const chunk of typeof body === 'object' && !(body instanceof Uint8Array) ? body : [body]) {
        chunks.push(chunk as Uint8Array);
      }
    }
    expect(Buffer.concat(chunks).toString()).toBe('aaabbbccc');
    expect(chunks.map(({ buffer }) => buffer.byteLength)).toEqual([3, 3, 3]);
  });
});

describe('a shared exposition', () => {
  it('reads headers that were made to cost much in a time that grows no faster than they do', () => {
    const { source, exposition } = setting();
    const accept = `a${' '.repeat(60_000)}b`;
    const begun = performance.now();
    void exposition.render({ accept, acceptEncoding: `${accept},\t c ; q=1 ` });
    expect(renderingOf(source).request).toMatchObject({ accept, acceptEncoding: `${accept},c;q=1` });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it.each<[what: string, rendered: unknown]>([
    ['nothing', undefined],
    ['no body', { contentType, body: null }],
  ])('fails one scrape where the source renders %s, and keeps no place for it', async (_what, rendered) => {
    const limit = new RenderingLimit({ max: 1 });
    const source = fixedExposition(rendered as RenderedExposition);
    for (const behind of [limitedExposition(source, limit), source]) {
      await expect(sharedExposition(behind).render({ accept: '' })).rejects.toThrow(TypeError);
    }
    expect(limit.underWay).toBe(0);
  });

  it('answers HEAD as the one behind it', () => {
    expect(setting().exposition.contentType(prometheus)).toBe(
      `${contentType}; asked=text/plain;version=0.0.4`,
    );
  });

  it.each([
    { freshnessMs: -1 },
    { freshnessMs: NaN },
    { freshnessMs: 2 ** 31 },
    { maxKeptBytes: -1 },
    { windowBytes: 0 },
    { laggardTimeoutMs: 0 },
    { laggardTimeoutMs: Infinity },
  ])('cannot be made with %j', (options) => {
    const [option = ''] = Object.keys(options);
    expect(() => sharedExposition(scriptedExposition(), options)).toThrow(
      expect.objectContaining({
        code: 'ERR_SHARING_OPTION',
        message: expect.stringMatching(`^${option}: `) as string,
      }),
    );
  });

  it('is not disturbed by a listener that throws', async () => {
    const warned = new Promise((resolve) => process.once('warning', resolve));
    const source = scriptedExposition();
    const exposition = sharedExposition(source, {
      onScrape: () => {
        throw new RangeError('secret');
      },
    });
    const scrape = exposition.render(prometheus);
    renderingOf(source).whole('a 1\n');
    expect(await textOf(await scrape)).toBe('a 1\n');
    expect(String(await warned)).toBe('Warning: a listener of sharedExposition failed with RangeError');
  });
});
