import { beforeEach, describe, expect, it } from 'vitest';
import type { RenderedExposition } from '../../../src/exposition/exposition.js';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
  type FilterFailure,
} from '../../../src/exposition/relabelling/filtered-exposition.js';
import { contentTypes, filtered, fixedExposition, textOf } from './filtering.js';
import { heldBytes } from '../../support/held-bytes.js';

let told: string[];
beforeEach(() => {
  told = [];
});

const observers: FilteredExpositionOptions = {
  onScrape: (result, { kept }) => told.push(`${result} ${kept}`),
  onFailure: (error: FilterFailure) => told.push(`${error.code}: ${error.message}`),
};

/** A body of as many lines, which notes how it ended. */
class Lines implements AsyncIterable<Uint8Array> {
  sent = 0;
  isClosed = false;
  constructor(
    readonly chunks: number,
    readonly last = '',
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let at = 0; at < this.chunks; at += 1) {
        this.sent += 1;
        yield await Promise.resolve(chunkOf(at));
      }
      if (this.last !== '') yield Buffer.from(this.last);
    } finally {
      this.isClosed = true;
    }
  }
}

const linesInChunk = 1000;

function chunkOf(chunk: number): Buffer {
  const lines = Array.from(
    { length: linesInChunk },
    (_, at) => `a{namespace="host-a",pod="pod-${chunk}-${at}"} ${at}\n`,
  );
  return Buffer.from(lines.join(''));
}

const mapping = { current: LabelMapping.of({ namespace: { 'host-a': 'team-a' } }) };
const filterOf = (rendered: RenderedExposition, options: FilteredExpositionOptions = {}) =>
  filteredExposition(fixedExposition(rendered), { ...observers, ...options });

describe('what is asked of the exposition behind', () => {
  it.each(
    Object.entries({
      '': 'text/plain;version=0.0.4',
      '*/*': 'text/plain;version=0.0.4',
      'application/json': 'text/plain;version=0.0.4',
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2':
        'application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;escaping=underscores;q=0.5,text/plain;version=0.0.4;q=0.3,text/plain;version=0.0.4;q=0.2',
      'application/openmetrics-text; q=0, text/plain':
        'application/openmetrics-text;version=1.0.0;escaping=underscores;q=0,text/plain;version=0.0.4',
      'application/openmetrics-text;version=2.0.0': 'text/plain;version=0.0.4',
      'text/plain;q=2\r\nX: y': 'text/plain;version=0.0.4',
      'Application/OpenMetrics-Text; Version="1.0.0"; q="0.5", text/plain; version="0.0.4"':
        'application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,text/plain;version=0.0.4',
    }),
  )('is nothing that cannot be filtered: %s', async (accept, asked) => {
    const behind = fixedExposition({ contentType: contentTypes.text, body: 'a 1\n' });
    const exposition = filteredExposition(behind, {});
    const { signal } = new AbortController();
    await exposition.render({ accept, acceptEncoding: 'gzip, zstd', timeoutSeconds: 3, signal });
    expect(behind.asked).toEqual([{ accept: asked, acceptEncoding: 'identity', timeoutSeconds: 3, signal }]);
    expect(exposition.contentType({ accept })).toBe(`${contentTypes.text}; asked=${asked}`);
  });

  it.each([
    ['gzip', contentTypes.text, 'it is encoded'],
    ['x-unknown', contentTypes.text, 'it is encoded'],
    [undefined, 'application/vnd.google.protobuf', 'its format is not known'],
    [undefined, 'text/html', 'its format is not known'],
    [undefined, 'text/plain; version=0.0.4; version=0.0.4', 'its format is not known'],
    [undefined, 'text/plain; version="0.0.4', 'its format is not known'],
    [undefined, '', 'its format is not known'],
    [undefined, 'application/openmetrics-text; version=2.0.0', 'its format is not known'],
  ])('fails where it comes all the same: %s %s', async (contentEncoding, contentType, fault) => {
    const body = new Lines(3);
    const it = body[Symbol.asyncIterator]();
    await it.next();
    const rendered = { contentType, body: { [Symbol.asyncIterator]: () => it } };
    const exposition = filterOf(contentEncoding === undefined ? rendered : { ...rendered, contentEncoding });
    await expect(exposition.render({ accept: '' })).rejects.toMatchObject({
      code: 'ERR_UPSTREAM',
      status: 502,
      message: `the exposition cannot be filtered: ${fault}`,
    });
    expect(body.isClosed).toBe(true);
    expect(told).toEqual([`ERR_UPSTREAM: the exposition cannot be filtered: ${fault}`]);
  });
});

describe('what is read', () => {
  it.each([
    ['text/plain', 'a 1\n'],
    ['text/plain; version="0.0.4"; charset=utf-8', 'a 1\n'],
    ['TEXT/Plain;Version=1.0.0 ; escaping=allow-utf-8;', 'a 1\n'],
    ['application/openmetrics-text; version="1.0.0"', 'a 1\n# EOF\n'],
    ['application/openmetrics-text', 'a 1\n# EOF\n'],
  ])('is what Prometheus reads in the same way: %s', async (contentType, body) => {
    const rendered = await filterOf({ contentType, body }).render({ accept: '' });
    expect([rendered.contentType, await textOf(rendered)]).toEqual([contentType, body]);
  });
});

describe('a filtered transfer', () => {
  it('is one body with a length where it is small', async () => {
    const { rendered } = await filtered(new Lines(1), { labelMapping: mapping });
    expect(rendered.body).toBeInstanceOf(Uint8Array);
    const large = await filtered(new Lines(3), {});
    expect(large.rendered.body).not.toBeInstanceOf(Uint8Array);
  });

  it('is the same of a text, of bytes and of a stream', async () => {
    const text = Array.from({ length: 30_000 }, (_, at) => `a{b="\u{1f600}${at}"} ${at}\n`).join('');
    const bytes = Buffer.from(text);
    const bodies = [text, bytes, [bytes.subarray(0, 99_999), bytes.subarray(99_999)]];
    for (const body of bodies) {
      const given = Array.isArray(body) ? streamed(body) : body;
      expect((await filtered(given, { dropMetrics: ['x'] })).text === text).toBe(true);
    }
  });

  it('fails with a status where little was left before the fault', async () => {
    const body = new Lines(50, 'broken{\n');
    const exposition = filterOf({ contentType: contentTypes.text, body }, { dropMetrics: ['a'] });
    await expect(exposition.render({ accept: '' })).rejects.toMatchObject({
      code: 'ERR_UPSTREAM',
      message: 'the exposition cannot be filtered: line 50001: a label has no valid name ("broken")',
    });
    expect(body.isClosed).toBe(true);
    expect(told).toEqual(['ERR_TEXT_FORMAT: line 50001: a label has no valid name ("broken")', 'failure 0']);
  });

  it('breaks off where much was left before the fault', async () => {
    const body = new Lines(50, 'broken{\n');
    const exposition = filterOf({ contentType: contentTypes.text, body });
    const rendered = await exposition.render({ accept: '' });
    expect(body.sent).toBeLessThan(5);
    await expect(textOf(rendered)).rejects.toMatchObject({ code: 'ERR_TEXT_FORMAT', line: 50_001 });
    expect(told.at(-1)).toBe('failure 50000');
  });

  it.each([
    [999, 'rejects at once'],
    [40_000, 'breaks off'],
  ])('with more than %i series %s', async (maxSeries) => {
    const body = new Lines(50);
    const exposition = filterOf({ contentType: contentTypes.text, body }, { maxSeries });
    const transfer = exposition.render({ accept: '' }).then(textOf);
    const message = `more than ${maxSeries} series in one scrape`;
    await expect(transfer).rejects.toMatchObject({ code: 'ERR_SERIES_LIMIT', message });
    expect(told[0]).toBe(`ERR_SERIES_LIMIT: ${message}`);
    expect(body.isClosed).toBe(true);
  });

  it('with just as many series is whole', async () => {
    const { counts } = await filtered(new Lines(3), { maxSeries: 3000 });
    expect(counts?.kept).toBe(3000);
  });

  it('breaks off as the one behind does', async () => {
    const exposition = filterOf({
      contentType: contentTypes.text,
      body: (async function* () {
        yield* new Lines(3);
        throw new Error('gone');
      })(),
    });
    const rendered = await exposition.render({ accept: '' });
    await expect(textOf(rendered)).rejects.toThrow('gone');
    expect(told).toEqual(['failure 3000']);
  });

  it('that nobody reads to its end closes the one behind', async () => {
    for (const chunksRead of [0, 1, 3]) {
      const body = new Lines(500);
      const rendered = await filterOf({ contentType: contentTypes.text, body }).render({ accept: '' });
      const chunks = iteratorOf(rendered);
      for (let count = 0; count < chunksRead; count += 1) await chunks.next();
      await chunks.return?.();
      expect(body.isClosed).toBe(true);
      expect(body.sent).toBeLessThan(10);
      expect(await chunks.next()).toMatchObject({ done: true });
    }
    expect(told.map((line) => line.split(' ')[0])).toEqual(['abandoned', 'abandoned', 'abandoned']);
  });

  it('goes on where a callback fails', async () => {
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): number => warnings.push(message);
    process.on('warning', onWarning);
    const exposition = filteredExposition(
      fixedExposition({ contentType: contentTypes.text, body: 'a 1\n' }),
      {
        onScrape: () => {
          throw new TypeError('secret');
        },
      },
    );
    expect(await textOf(await exposition.render({ accept: '' }))).toBe('a 1\n');
    await expect.poll(() => warnings).toEqual(['a listener of filteredExposition failed with TypeError']);
    process.off('warning', onWarning);
  });
});

describe('32 MB', () => {
  const chunk = chunkOf(0);
  const chunks = Math.ceil((32 * 1024 * 1024) / chunk.length);
  it.each<[what: string, options: FilteredExpositionOptions]>([
    ['kept', {}],
    ['mapped', { labelMapping: mapping }],
    ['dropped', { dropMetrics: ['a'] }],
  ])('are %s while they stream: in little memory, in short turns', async (_what, options) => {
    let held = heldBytes();
    const before = held;
    const body = (async function* () {
      for (let at = 0; at < chunks; at += 1) {
        if (at % 200 === 199) held = Math.max(held, heldBytes());
        yield await Promise.resolve(Buffer.from(chunk));
      }
    })();
    const turns = countTurns();
    const rendered = await filterOf({ contentType: contentTypes.text, body }, options).render({ accept: '' });
    const parts = iteratorOf(rendered);
    while ((await parts.next()).done !== true);
    expect(told).toEqual([`success ${options.dropMetrics === undefined ? chunks * linesInChunk : 0}`]);
    expect((held - before) / 1e6).toBeLessThan(8);
    expect(turns()).toBeGreaterThan(6);
  });

  it('in one piece are not read in one go', async () => {
    const whole = Buffer.concat(Array.from({ length: chunks }, () => chunk));
    const turns = countTurns();
    const rendered = await filterOf({ contentType: contentTypes.text, body: whole }).render({ accept: '' });
    await textOf(rendered);
    expect(turns()).toBeGreaterThan(6);
  });
});

/** How often the event loop comes round, until it is asked. */
function countTurns(): () => number {
  let turns = 0;
  let immediate = setImmediate(count);
  function count(): void {
    turns += 1;
    immediate = setImmediate(count);
  }
  return () => {
    clearImmediate(immediate);
    return turns;
  };
}

function iteratorOf({ body }: RenderedExposition): AsyncIterator<Uint8Array> {
  if (typeof body === 'string' || !(Symbol.asyncIterator in body)) {
    return streamed([Buffer.from(body)])[Symbol.asyncIterator]();
  }
  return body[Symbol.asyncIterator]();
}

async function* streamed(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield* pieces;
}
