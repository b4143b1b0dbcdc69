import { gunzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { TimeSlice } from '../../../src/time-slice.js';
import { RenderingLimit } from '../../../src/exposition/delivery/rendering-limit.js';
import type { RenderedExposition, ScrapeRequest } from '../../../src/exposition/exposition.js';
import {
  workspaceExpositions,
  type WorkspaceExpositionsOptions,
} from '../../../src/exposition/workspaces/workspace-expositions.js';
import { heldBytes } from '../../support/held-bytes.js';
import { contentTypes, textOf } from '../relabelling/filtering.js';
import { recordedShardMetrics } from '../text-format/expositions.js';

const text = contentTypes.text;
const two =
  '# TYPE jobs gauge\njobs{cluster="a"} 1\njobs{cluster="b"} 2\njobs 3\n# TYPE other gauge\nother 4\n';
const help = 'h'.repeat(110_000);
const ofA = '# TYPE jobs gauge\njobs{cluster="a"} 1\n';

function divided(
  render: (request: ScrapeRequest) => Promise<RenderedExposition>,
  options: WorkspaceExpositionsOptions = {},
) {
  const asked: ScrapeRequest[] = [];
  const expositions = workspaceExpositions(
    {
      contentType: ({ accept }) => `asked ${accept}`,
      render: async (request) => {
        asked.push(request);
        return await render(request);
      },
    },
    options,
  );
  const scrape = async (cluster: string, request: Partial<ScrapeRequest> = {}) =>
    textOf(await expositions.of(cluster).render({ accept: '', ...request }));
  return { asked, expositions, scrape };
}

const always =
  (body: RenderedExposition['body'], contentType = text) =>
  () =>
    Promise.resolve({ contentType, body } as RenderedExposition);

describe('expositions of workspaces', () => {
  it('share one rendering, made on nobody’s account, until it is too old', async () => {
    const { asked, scrape } = divided(always(two), { maxAgeMs: 60 });
    const user = { name: 'alice', groups: [] };
    const request = { user, timeoutSeconds: 1, acceptEncoding: 'gzip, zstd', accept: 'text/*;q=0.3' };
    expect(await Promise.all([scrape('a', request), scrape('a')])).toEqual([ofA, ofA]);
    expect(await scrape('nobody')).toBe('');
    expect(asked).toEqual([
      {
        accept: 'text/plain;version=0.0.4',
        acceptEncoding: 'identity',
        signal: expect.any(AbortSignal) as AbortSignal,
      },
    ]);
    await expect
      .poll(async () => {
        await scrape('b');
        return asked.length;
      })
      .toBe(2);
  });

  it('have one rendering a format, and none for HEAD', async () => {
    const { asked, expositions, scrape } = divided(({ accept }) =>
      Promise.resolve(
        accept.startsWith('application/openmetrics-text')
          ? { contentType: contentTypes.openmetrics, body: `${two}# EOF\n` }
          : { contentType: text, body: two },
      ),
    );
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.1';
    expect(expositions.of('a').contentType({ accept })).toMatch(/^asked application\/openmetrics-text/);
    expect(asked).toHaveLength(0);
    expect(await scrape('a', { accept })).toBe(`${ofA}# EOF\n`);
    expect(await scrape('a', { accept: `${accept},text/html;q=0.2` })).toBe(`${ofA}# EOF\n`);
    expect(await scrape('nobody', { accept })).toBe('# EOF\n');
    expect(await scrape('a')).toBe(ofA);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['an encoded one', always(two, text), { contentEncoding: 'gzip' }, 'it is encoded'],
    ['an unknown format', always(two, 'text/html'), {}, 'its format is not known'],
    ['a malformed line', always('jobs{cluster="a"} x\n'), {}, 'line 1: the value is not a number'],
    ['one that is cut off', always(two, contentTypes.openmetrics), {}, 'cut off'],
    [
      'too much help',
      always(`# HELP a ${help}\n# HELP b ${help}\n${two}`),
      {},
      'more than 200000 bytes of series',
    ],
    [
      'too many series',
      always('jobs{cluster="a"} 1\n'.repeat(12_000)),
      {},
      'more than 200000 bytes of series',
    ],
    [
      'too many metrics',
      always(Array.from({ length: 20_001 }, (_, at) => `m${at} 1\n`).join('')),
      {},
      'more than 20000 metrics',
    ],
  ])(
    'fail for all who wait where the rendering does, which is not kept: %s',
    async (_, render, more, fault) => {
      const onRendering = vi.fn();
      const { asked, scrape } = divided(async () => ({ ...(await render()), ...more }), {
        onRendering,
        maxBytes: 200_000,
      });
      const results = await Promise.allSettled([scrape('a'), scrape('b')]);
      for (const result of results) {
        expect(result).toMatchObject({
          status: 'rejected',
          reason: { code: 'ERR_UPSTREAM', status: 502, message: expect.stringContaining(fault) as string },
        });
      }
      await expect(scrape('a')).rejects.toThrow(fault);
      expect(asked).toHaveLength(2);
      expect(onRendering.mock.calls).toEqual(Array(2).fill(['failure', { workspaces: 0, bytes: 0 }]));
    },
  );

  it('keep a rendering for others where one scraper’s time is over', async () => {
    let finish: (() => void) | undefined;
    const slow = new Promise<void>((resolve) => (finish = resolve));
    const { asked, scrape } = divided(async () => {
      await slow;
      return { contentType: text, body: two };
    });
    const patient = scrape('a');
    await expect(scrape('a', { timeoutSeconds: 0.02 })).rejects.toMatchObject({ status: 504 });
    finish?.();
    expect(await patient).toBe(ofA);
    expect(asked).toHaveLength(1);
  });

  it('are compressed for each scrape that asks, unless told otherwise', async () => {
    const long = Array.from({ length: 200 }, (_, at) => `jobs{cluster="a",job="${at}"} 1\n`).join('');
    const request = { accept: '', acceptEncoding: 'gzip' };
    const compressed = await divided(always(long)).expositions.of('a').render(request);
    expect(compressed.contentEncoding).toBe('gzip');
    expect(gunzipSync(compressed.body as Uint8Array).toString()).toBe(long);
    const plain = await divided(always(long), { compress: false }).expositions.of('a').render(request);
    expect([plain.contentEncoding, await textOf(plain)]).toEqual([undefined, long]);
  });

  it('stream what is long, one place each, and refuse more', async () => {
    const onRendering = vi.fn();
    const line = (at: number): string => `jobs{cluster="${at % 3 === 0 ? 'a' : 'b'}",job="${at}"} 1\n`;
    const lines = Array.from({ length: 60_000 }, (_, at) => line(at));
    const [places, bodyPlaces] = [new RenderingLimit({ max: 1 }), new RenderingLimit({ max: 2 })];
    const options = { compress: false, places, bodyPlaces, onRendering };
    const { expositions, scrape } = divided(always(lines.join('')), options);
    const rendered = await expositions.of('a').render({ accept: '', scraper: 'alice' });
    expect([places.underWay, bodyPlaces.underWay]).toEqual([0, 1]);
    // Whoever scrapes it: the owner of a workspace has as many names as they make.
    await expect(expositions.of('a').render({ accept: '', scraper: 'bob' })).rejects.toMatchObject({
      code: 'ERR_TOO_MANY_SCRAPES',
    });
    const ofOther = await expositions.of('b').render({ accept: '', scraper: 'alice' });
    expect(bodyPlaces.underWay).toBe(2);
    expect(await textOf(rendered)).toBe(lines.filter((_, at) => at % 3 === 0).join(''));
    expect(await textOf(ofOther)).toBe(lines.filter((_, at) => at % 3 !== 0).join(''));
    expect(bodyPlaces.underWay).toBe(0);
    expect(await scrape('nobody')).toBe('');
    expect(onRendering.mock.calls).toEqual([['success', { workspaces: 2, bytes: lines.join('').length }]]);
  });

  it('divide in the memory of the rendering before, but not while somebody reads that', async () => {
    const bodyOf = (round: number): string =>
      Array.from(
        { length: 20_000 },
        (_, at) => `jobs{cluster="${at % 2 === 0 ? 'a' : 'b'}",job="${at}"} ${round}\n`,
      ).join('');
    const small = (round: number): string => `jobs{cluster="c"} ${round}\njobs{cluster="d"} ${round}\n`;
    let round = 0;
    const { expositions, scrape } = divided(
      () => Promise.resolve({ contentType: text, body: bodyOf(round) + small(round) }),
      { compress: false, maxAgeMs: 0, bodyPlaces: new RenderingLimit({ max: 0 }) },
    );
    const kept: { readonly round: number; readonly rendered: RenderedExposition }[] = [];
    for (round = 1; round <= 6; round += 1) {
      // Some are read later, some at once, and in every second round nothing is long.
      const scrapes = [scrape('c'), scrape('d'), scrape('c')];
      if (round % 2 === 1) kept.push({ round, rendered: await expositions.of('a').render({ accept: '' }) });
      expect(await Promise.all(scrapes)).toEqual(
        ['c', 'd', 'c'].map((name) => `jobs{cluster="${name}"} ${round}\n`),
      );
    }
    for (const { round: of, rendered } of kept) {
      const expected = bodyOf(of)
        .split('\n')
        .filter((line) => line.includes('"a"'));
      expect((await textOf(rendered)).split('\n').slice(0, -1)).toEqual(expected);
    }
  });

  it('hold the series of workspaces, and of 32 MB that are nobody’s nothing while they are read', async () => {
    const nobodys = Buffer.from('jobs{node="a"} 1\n'.repeat(4000));
    const before = heldBytes();
    let held = before;
    const body = (async function* () {
      for (let read = 0; read < 32e6; read += nobodys.length) {
        if (read % (100 * nobodys.length) === 0) held = Math.max(held, heldBytes());
        yield await Promise.resolve(Buffer.from(nobodys));
      }
      yield Buffer.from(two);
    })();
    const { scrape } = divided(always(body));
    expect(await scrape('a')).toBe(ofA);
    expect((held - before) / 1e6).toBeLessThan(8);
  });

  it('are looked up in slices, however scattered the lines of a workspace are', async () => {
    const line = (at: number): string => `jobs${at % 2}{cluster="a"} ${at}\n`;
    const body = Array.from({ length: 1_000_000 }, (_, at) => line(at)).join('');
    const bodyPlaces = new RenderingLimit({ max: 0 });
    const { expositions, scrape } = divided(always(body), { compress: false, bodyPlaces });
    await scrape('nobody');
    const shares: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const began = performance.now();
      let [last, longest, isOver] = [began, 0, false];
      const look = (): void => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        if (!isOver) setImmediate(look);
      };
      setImmediate(look);
      await expositions.of('a').render({ accept: '' });
      isOver = true;
      look();
      shares.push(longest / (last - began));
    }
    // In one go, most of the time was one turn of the event loop.
    expect(Math.min(...shares)).toBeLessThan(0.3);
  });

  it('of very many metrics are put in order, measured and copied in slices, too', async () => {
    const names = Array.from({ length: 6000 }, (_, at) => `m${at}`);
    // What is named first comes first, although its lines come last.
    const headers = names.map((name) => `# TYPE ${name} gauge\n`);
    const lines = names.map((name) => `${name}{cluster="a"} 1\n`);
    const { scrape } = divided(always(headers.join('') + lines.toReversed().join('')), { compress: false });
    await scrape('nobody');
    let now = performance.now();
    // A millisecond with each look: what is done in one go looks seldom.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1));
    const rests = vi.spyOn(TimeSlice.prototype, 'rest');
    try {
      expect(await scrape('a')).toBe(names.map((_, at) => `${headers[at]}${lines[at]}`).join(''));
      // Four times through all of them, with a look at the clock for 64 and a rest for four looks.
      expect(rests.mock.calls.length).toBeGreaterThan((3 * names.length) / (64 * 5));
    } finally {
      clock.mockRestore();
      rests.mockRestore();
    }
  });

  it('fail where very many workspaces have little each, which takes more memory than their lines', async () => {
    const lines = Array.from({ length: 30_000 }, (_, at) => `jobs{cluster="${at}"} 1\n`).join('');
    await expect(divided(always(lines), { maxBytes: 2 * lines.length }).scrape('1')).rejects.toThrow(
      /more than \d+ bytes of series/,
    );
    expect(await divided(always(lines)).scrape('1')).toBe('jobs{cluster="1"} 1\n');
  });

  it('hold what a real shard says of its workspaces', async () => {
    const recorded = recordedShardMetrics();
    const { scrape } = divided(always(recorded), { label: 'verb' });
    const expected = recorded
      .toString()
      .split('\n')
      .filter((line) => line.includes('verb="LIST"'));
    const read = (await scrape('LIST')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(read).toEqual(expected);
    expect(read.length).toBeGreaterThan(100);
  });

  it.each([
    ['label', { label: '1' }, 'label: "1" is no label name'],
    ['label', { label: 'le' }, 'label: "le" belongs to histograms'],
    ['maxAgeMs', { maxAgeMs: -1 }, 'maxAgeMs: pass a number of milliseconds'],
    ['maxAgeMs', { maxAgeMs: NaN }, 'maxAgeMs: pass a number of milliseconds'],
    ['maxBytes', { maxBytes: 0 }, 'maxBytes: pass a number of bytes, at most 4 GiB'],
    ['maxBytes', { maxBytes: 2 ** 32 }, 'maxBytes: pass a number of bytes, at most 4 GiB'],
  ])('refuse a wrong %s: %o', (_, options, message) => {
    expect(() => divided(always(two), options)).toThrow(message);
  });
});
