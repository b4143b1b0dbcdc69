import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exposition, RenderedExposition } from '../../../src/exposition/exposition.js';
import { mergedExposition } from '../../../src/exposition/merging/merged-exposition.js';
import type {
  LeftOut,
  MemberFailure,
  MergedExpositionOptions,
} from '../../../src/exposition/merging/merging-options.js';
import { contentTypes, textOf } from '../relabelling/filtering.js';
import {
  expositionText,
  families,
  inPieces,
  partsOf,
  pieceLengths,
  recordedShardMetrics,
} from '../text-format/expositions.js';
import { heldBytes } from '../../support/held-bytes.js';

type Body = string | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Members `a`, `b` and so on whose bodies may change from scrape to scrape; the first scrape finds out what they are. */
class Scraped {
  readonly failures: string[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly exposition: Exposition;
  #bodies: readonly Body[] = [];

  constructor(members: number, options: Partial<MergedExpositionOptions> = {}) {
    this.exposition = mergedExposition({
      members: Array.from({ length: members }, (_, at) => {
        const name = String.fromCharCode(97 + at);
        const render = (): ReturnType<Exposition['render']> => {
          const body = this.#bodies[at] ?? '';
          if (body === absent) return Promise.reject(new Error('absent'));
          return Promise.resolve({ contentType: contentTypes.text, body: streamOf(body) });
        };
        return { name, exposition: { contentType: () => '', render }, labels: { upstream: name } };
      }),
      onFailure: ({ member, reason, error }: MemberFailure) =>
        this.failures.push(`${member} ${reason} ${error.message}`),
      onLeftOut: (what) => this.leftOut.push(what),
      maxBytesAhead: 1,
      ...options,
    });
  }

  render(...bodies: readonly Body[]): Promise<RenderedExposition> {
    this.#bodies = bodies;
    return this.exposition.render({ accept: '' });
  }

  /** Without how long it took. @throws where the transfer breaks off. */
  async scrape(...bodies: readonly Body[]): Promise<string> {
    const text = await textOf(await this.render(...bodies));
    return text.replace(/(_seconds\{.*\}) [0-9.]+\n/g, '$1 0\n');
  }
}

const absent = 'absent';

async function* streamOf(body: Body): AsyncGenerator<Uint8Array> {
  if (typeof body !== 'string') yield* body;
  else if (body !== '') {
    // At least two: what is over at once is no stream.
    yield Buffer.from(body.slice(0, 1));
    yield await Promise.resolve(Buffer.from(body.slice(1)));
  }
}

async function* failingBehind(body: string): AsyncGenerator<Uint8Array> {
  yield* streamOf(body);
  await Promise.reject(new Error('secret'));
}

/** Three metrics in the order of their names. */
const sorted = (value: string): string =>
  ['a', 'b', 'c'].map((name) => `# TYPE m_${name} gauge\nm_${name}{x="y"} ${value}\n`).join('');

const given = fc.array(
  fc.tuple(families('text'), pieceLengths, fc.subarray([0, 1, 2, 3, 4, 5])).map(([all, lengths, kept]) => ({
    bytes: Buffer.from(
      expositionText(
        all.filter((_, at) => kept.includes(at)),
        'text',
      ),
    ),
    lengths,
  })),
  { minLength: 1, maxLength: 4 },
);

describe('members whose metrics are in the order of their names', () => {
  it('are the same bytes whether they are held or merged while they come', async () => {
    await fc.assert(
      fc.asyncProperty(given, fc.integer({ min: 1, max: 400 }), async (members, maxBytesAhead) => {
        const scraped = new Scraped(members.length, { maxBytesAhead });
        const bodies = (): Iterable<Uint8Array>[] =>
          members.map(({ bytes, lengths }) => [...inPieces(bytes, lengths)]);
        const held = await scraped.scrape(...bodies());
        const { length } = scraped.leftOut;
        expect(await scraped.scrape(...bodies())).toBe(held);
        expect(await scraped.scrape(...bodies())).toBe(held);
        expect(scraped.leftOut).toHaveLength(3 * length);
        expect(scraped.failures).toEqual([]);
        const names = [...held.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name).slice(0, -2);
        expect(names).toEqual(names.toSorted());
        await expect(partsOf([Buffer.from(held)])).resolves.toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  it('as a kcp shard serves them', async () => {
    const recorded = recordedShardMetrics();
    const scraped = new Scraped(2);
    const whole = await scraped.scrape([recorded], [recorded]);
    const pieces = (): Iterable<Uint8Array> => inPieces(recorded, [65_536, 1000, 7]);
    expect(await scraped.scrape(pieces(), pieces())).toBe(whole);
  });

  it('with one that has another type, which is left out', async () => {
    const scraped = new Scraped(2);
    const other = sorted('2').replace('m_b gauge', 'm_b counter');
    const held = await scraped.scrape(sorted('1'), other);
    expect(await scraped.scrape(sorted('1'), other)).toBe(held);
    const leftOut = { member: 'b', family: 'm_b', cause: 'conflict', series: 1 };
    expect(scraped.leftOut).toEqual([leftOut, leftOut]);
  });

  it('are read no faster than they are written: of twice 20 MB little is held', async () => {
    const { chunk, chunks } = large();
    const read = [0, 0];
    let held = 0;
    const body = async function* (member: number): AsyncGenerator<Uint8Array> {
      yield Buffer.from('# TYPE m gauge\n');
      for (let at = 0; at < chunks; at += 1) {
        read[member] = at;
        if (at % 50 === 49) held = Math.max(held, heldBytes());
        yield await Promise.resolve(Buffer.from(chunk));
      }
    };
    const scraped = new Scraped(2, { maxBytesAhead: 2 * 1024 * 1024 });
    await scraped.scrape(sorted('1'), sorted('2'));
    const before = heldBytes();
    const { body: chunksOf } = await scraped.render(body(0), body(1));
    let length = 0;
    for await (const part of chunksOf as AsyncIterable<Uint8Array>) {
      // The second is not read while the first is written.
      if (length === 0) expect(Math.max(...read)).toBeLessThan(50);
      length += part.byteLength;
    }
    expect(length).toBeGreaterThan(40e6);
    expect((held - before) / 1e6).toBeLessThan(4);
  });

  it('have all the time that the scraper takes: only what is waited for counts', async () => {
    const { chunk } = large();
    const scraped = new Scraped(2, { timeoutMs: 500 });
    await scraped.scrape(sorted('1'), sorted('2'));
    const body = (): Iterable<Uint8Array> => [
      Buffer.from('# TYPE m gauge\n'),
      ...Array.from({ length: 20 }, () => chunk),
    ];
    const { body: chunks } = await scraped.render(body(), body());
    let length = 0;
    for await (const part of chunks as AsyncIterable<Uint8Array>) {
      if (length === 0) await pause(600);
      length += part.byteLength;
    }
    expect(length).toBeGreaterThan(40 * chunk.length);
    expect(scraped.failures).toEqual([]);
  });
});

describe('a member that fails while it is merged', () => {
  it('wherever it does: the transfer breaks off or has nothing of it, and the next scrapes have the others', async () => {
    const [good, bad] = [sorted('1'), sorted('2')];
    const sent = new Scraped(2);
    await sent.scrape(good, bad);
    const whole = await sent.scrape(good, bad);
    const alone = await sent.scrape(good, absent);
    expect(alone).toContain('_up{upstream="b"} 0\n');
    expect(alone).not.toMatch(/^m.*upstream="b"/m);
    let broken = 0;
    for (let cut = 0; cut <= bad.length; cut += 1) {
      for (const ahead of [1, 60, 1000]) {
        const scraped = new Scraped(2, { maxBytesAhead: ahead });
        await scraped.scrape(good, bad);
        const text = await scraped.scrape(good, failingBehind(bad.slice(0, cut))).catch(() => undefined);
        if (text === undefined) broken += 1;
        else expect(text).toBe(alone);
        expect(scraped.failures).toEqual([expect.stringMatching(/^b unavailable b: failed with Error$/)]);
        for (let again = 0; again < 3; again += 1)
          expect(await scraped.scrape(good, failingBehind(bad.slice(0, cut)))).toBe(alone);
        expect(await scraped.scrape(good, bad)).toBe(whole);
      }
    }
    expect(broken).toBeGreaterThan(bad.length);
  });

  it('at a malformed line, or beyond the bound: the transfer breaks off, then it is left out', async () => {
    const scraped = new Scraped(2, { maxHeldBytes: 1000 });
    await scraped.scrape(sorted('1'), sorted('2'));
    const malformed = sorted('2').replace('m_b{', 'm_b{{');
    await expect(scraped.scrape(sorted('1'), malformed)).rejects.toThrow(/^b: line 4: /);
    expect(await scraped.scrape(sorted('1'), malformed)).toContain('_up{upstream="b"} 0\n');
    const other = new Scraped(2, { maxHeldBytes: 1000 });
    await other.scrape(sorted('1'), sorted('2'));
    const large = `${sorted('2')}# ${'x'.repeat(950)}\n`;
    await expect(other.scrape(sorted('1'), large)).rejects.toThrow(/^b: more than 1000 bytes$/);
    expect(await other.scrape(sorted('1'), large)).toContain('_up{upstream="b"} 0\n');
  });

  it('beyond the bound by the memory that its metrics take, which are tiny: scattered, in order, or in very many places', async () => {
    const maxHeldBytes = 4_000_000;
    const scraped = new Scraped(2, { maxHeldBytes });
    const tiny = (count: number): string =>
      Array.from({ length: count }, (_, at) => `m${at + 100_000} 1\n`).join('');
    const fault = /^b too-large b: its \d+ metrics take more memory than may be held$/;
    const isLeftOut = async (body: Body): Promise<void> => {
      scraped.failures.length = 0;
      const before = heldBytes();
      const rendered = await scraped.render(sorted('1'), body);
      expect(heldBytes() - before).toBeLessThan(maxHeldBytes);
      expect(await textOf(rendered)).toContain('_up{upstream="b"} 0\n');
      expect(scraped.failures).toEqual([expect.stringMatching(fault)]);
    };
    // 50 KB of metrics, and then 1.2 MB of two.
    expect(await scraped.scrape(sorted('1'), tiny(5000))).toContain('_up{upstream="b"} 1\n');
    await expect(scraped.scrape(sorted('1'), tiny(10_000))).rejects.toThrow(
      /^b: its \d+ metrics take more memory/,
    );
    await isLeftOut(tiny(10_000));
    await isLeftOut('y 1\nx 1\n'.repeat(150_000));
  });

  it('is merged while it comes again after it was read whole a hundred times', async () => {
    const scraped = new Scraped(2);
    const isBroken = (): Promise<boolean> =>
      scraped.scrape(sorted('1'), failingBehind(sorted('2'))).then(
        () => false,
        () => true,
      );
    await scraped.scrape(sorted('1'), sorted('2'));
    expect(await isBroken()).toBe(true);
    for (let at = 0; at < 99; at += 1) await scraped.scrape(sorted('1'), sorted('2'));
    expect(await isBroken()).toBe(false);
    for (let at = 0; at < 2; at += 1) await scraped.scrape(sorted('1'), sorted('2'));
    expect(await isBroken()).toBe(true);
  });

  const series = '# TYPE m_a gauge\nm_a 1\n';
  it.each([
    ['come in another order', `# TYPE m_b gauge\nm_b 1\n${series}`],
    ['come in pieces', `${series}# TYPE m_b gauge\nm_b 1\nm_a{x="y"} 1\n`],
    ['have their type behind their samples', 'm_a 1\n# TYPE m_a gauge\n'],
    ['have their help behind their samples', `${series}# HELP m_a h\n`],
    ['have a label that is added', `${series}m_a{upstream="x"} 1\n`],
    [
      'are called as samples of another',
      '# TYPE h summary\nh_sum 1\nh_count 1\n# TYPE h_sum gauge\nh_sum 1\n',
    ],
    [
      'are called as those of the members',
      '# TYPE kcp_metrics_filter_upstream_up gauge\nkcp_metrics_filter_upstream_up 1\n',
    ],
  ])('since its metrics now %s: from the next scrape on all is served', async (_how, body) => {
    const model = await new Scraped(2).scrape(sorted('1'), body);
    const scraped = new Scraped(2);
    await scraped.scrape(sorted('1'), sorted('2'));
    await expect(scraped.scrape(sorted('1'), body)).rejects.toThrow(/^b: unlike in its last scrape, /);
    for (let again = 0; again < 2; again += 1) expect(await scraped.scrape(sorted('1'), body)).toBe(model);
    const fromTheStart = new Scraped(2);
    for (let again = 0; again < 3; again += 1)
      expect(await fromTheStart.scrape(sorted('1'), body)).toBe(model);
    expect(fromTheStart.failures).toEqual([]);
  });

  it('which was not there before: it is read whole when it comes, whatever it is', async () => {
    const scraped = new Scraped(3);
    await scraped.scrape(sorted('1'), sorted('2'), absent);
    const two = await scraped.scrape(sorted('1'), sorted('2'), absent);
    expect(two).toContain('_up{upstream="c"} 0\n');
    expect(await scraped.scrape(sorted('1'), sorted('2'), absent)).toBe(two);
    const unsorted = `# TYPE z gauge\nz 1\n${sorted('3')}`;
    expect(await scraped.scrape(sorted('1'), sorted('2'), unsorted)).toContain('z{upstream="c"} 1\n');
    expect(scraped.failures).toHaveLength(3);
  });
});

/** A metric's lines, and how often they make 20 MB. */
function large(): { readonly chunk: Buffer; readonly chunks: number } {
  const lines = Array.from(
    { length: 600 },
    (_, at) => `m{pod="web-${at}",id="/kubepods/burstable/pod${at}"} ${at}\n`,
  );
  const chunk = Buffer.from(lines.join(''));
  return { chunk, chunks: Math.ceil(20e6 / chunk.length) };
}
