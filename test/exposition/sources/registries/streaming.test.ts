import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { registriesExposition } from '../../../../src/exposition/sources/registries-exposition.js';
import { bytesOf } from './rendered.js';
import { listenHttp } from '../../../support/listening.js';
import { stepMs, turnsOf } from '../../../support/counted-turns.js';

/** Counters with 100,000 series between them. */
function largeRegistry(): Registry {
  const registry = new Registry();
  for (let metric = 0; metric < 10; metric += 1) {
    const counter = new Counter({
      name: `requests_${metric}_total`,
      help: 'Requests.',
      labelNames: ['verb', 'resource'],
      registers: [registry],
    });
    for (let series = 0; series < 10_000; series += 1) {
      counter.inc({ verb: 'LIST', resource: `resource-${series}` }, series);
    }
  }
  return registry;
}

async function streamOf(registry: Registry): Promise<AsyncIterableIterator<Uint8Array>> {
  const { body } = await registriesExposition({ registries: [registry] }).render({ accept: '' });
  if (typeof body === 'string' || body instanceof Uint8Array) throw new Error('the exposition came whole');
  return Readable.from(body, { highWaterMark: 1 })[Symbol.asyncIterator]();
}

describe('a large exposition', () => {
  it('comes in chunks, is what prom-client writes, and never holds the event loop for long', async () => {
    const registry = largeRegistry();
    const chunks: Uint8Array[] = [];
    for await (const chunk of await streamOf(registry)) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(await registry.metrics());
    expect(Math.max(...chunks.map(({ byteLength }) => byteLength))).toBeLessThan(66_000);
    const { longest, total } = await turnsOf(async () => bytesOf(await streamOf(registry)));
    expect(longest).toBeLessThan(5);
    expect(total).toBeGreaterThan(100_000 * stepMs);
  });

  it('leaves the event loop to others after any slice, however many are written at once', async () => {
    const registry = largeRegistry();
    const tenScrapes = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 10 }, async () => bytesOf(await streamOf(registry))));
    const { longest, total } = await turnsOf(tenScrapes);
    expect(longest).toBeLessThan(5);
    expect(total).toBeGreaterThan(1_000_000 * stepMs);
  });

  it('is written no faster than it is taken', async () => {
    const registry = new Registry();
    const gauge = new Gauge({ name: 'g', help: 'h', labelNames: ['a'], registers: [registry] });
    let written = 0;
    const label = (text: string): string =>
      ({
        toString: () => {
          written += 1;
          return text;
        },
      }) as unknown as string;
    for (let series = 0; series < 20_000; series += 1) gauge.set({ a: label(`series-${series}`) }, 1);
    written = 0;
    const body = (await registriesExposition({ registries: [registry] }).render({ accept: '' })).body;
    const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await chunks.next();
    const atFirst = written;
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    expect(written).toBe(atFirst);
    expect(atFirst).toBeLessThan(5000);
    await chunks.next();
    expect(written).toBeGreaterThan(atFirst);
    await chunks.return?.();
    const atEnd = written;
    await nextTurn();
    expect(written).toBe(atEnd);
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
  });

  it('may be given up before its first chunk is taken', async () => {
    const { body } = await registriesExposition({ registries: [largeRegistry()] }).render({ accept: '' });
    const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await chunks.return?.();
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
  });

  it('has each histogram of one moment, though it is observed meanwhile', async () => {
    const registry = new Registry();
    const histogram = new Histogram({
      name: 'seconds',
      help: 'h',
      labelNames: ['path'],
      buckets: [1, 2],
      registers: [registry],
    });
    const paths = Array.from({ length: 5000 }, (_, index) => `/${index}`);
    const observeAll = (): void => {
      for (const path of paths) histogram.observe({ path }, 1.5);
    };
    observeAll();
    let text = '';
    for await (const chunk of await streamOf(registry)) {
      text += Buffer.from(chunk).toString();
      observeAll();
    }
    const lines = text.trimEnd().split('\n').slice(2);
    const counts = new Set<string>();
    for (let at = 0; at < lines.length; at += 5) {
      const [first, second, infinite, sum, count] = lines
        .slice(at, at + 5)
        .map((line) => line.slice(line.lastIndexOf(' ') + 1));
      expect([first, second, infinite, Number(sum) / 1.5]).toEqual(['0', count, count, Number(count)]);
      counts.add(count ?? '');
    }
    expect(counts.size).toBeGreaterThan(1);
  });

  it('has what stood there when its metrics were collected, though they are reset meanwhile', async () => {
    const registry = largeRegistry();
    const expected = await registry.metrics();
    const stream = await streamOf(registry);
    registry.resetMetrics();
    expect((await bytesOf(stream)).toString()).toBe(expected);
  });

  it('does not stumble over series that go away meanwhile', async () => {
    const registry = new Registry();
    const gauge = new Gauge({ name: 'g', help: 'h', labelNames: ['a'], registers: [registry] });
    for (let series = 0; series < 20_000; series += 1) gauge.set({ a: `series-${series}` }, 1);
    const stream = await streamOf(registry);
    for (let series = 0; series < 20_000; series += 1) gauge.remove({ a: `series-${series}` });
    const lines = (await bytesOf(stream)).toString().trimEnd().split('\n');
    expect(lines.length).toBeLessThan(10_000);
    expect(lines.slice(2).filter((line) => !/^g\{a="series-\d+"\} 1$/.test(line))).toEqual([]);
  });

  it('reaches a client over a socket', async () => {
    const registry = largeRegistry();
    const { port } = await listenHttp((_request, response) => {
      void streamOf(registry).then((stream) => Readable.from(stream).pipe(response));
    });
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    expect(await answer.text()).toBe(await registry.metrics());
  });
});
