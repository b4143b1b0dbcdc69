import { once } from 'node:events';
import { Gauge, Registry, type Metric } from 'prom-client';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { registriesExposition } from '../../../../src/exposition/sources/registries-exposition.js';
import type { CollectorFailure } from '../../../../src/exposition/sources/registries/collectors.js';
import { bytesOf, scrapeOnce } from './rendered.js';

const fine = '# HELP fine h\n# TYPE fine gauge\nfine 1\n';

/** A registry with a metric `odd` that is collected so, and one that is fine. */
function registryWith(collect: (this: Gauge) => void | Promise<void>): Registry {
  const registry = new Registry();
  new Gauge({ name: 'odd', help: 'h', registers: [registry], collect });
  new Gauge({ name: 'fine', help: 'h', registers: [registry] }).set(1);
  return registry;
}

function registryOf(metric: object): Registry {
  const registry = registryWith(() => undefined);
  registry.removeSingleMetric('odd');
  registry.registerMetric(metric as Metric);
  return registry;
}

describe('a collector', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no database'))],
  ])('that %s is left out, and the rest served', async (_how, collect) => {
    expect(await scrapeOnce({ registries: [registryWith(collect)] })).toEqual({
      text: fine,
      failures: ['odd collect-failed'],
    });
  });

  it.each([
    ['has no get()', { name: 'odd' }],
    ['gives nothing', { name: 'odd', get: () => undefined }],
    ['gives no help', { name: 'odd', get: () => ({ name: 'odd', type: 'gauge', values: [] }) }],
    [
      'gives values that are none',
      { name: 'odd', get: () => ({ name: 'odd', help: 'h', type: 'gauge', values: [1] }) },
    ],
    [
      'throws',
      {
        name: 'odd',
        get: () => {
          throw new Error('no database');
        },
      },
    ],
  ])("that is somebody's own and %s is left out, too", async (_what, metric) => {
    expect(await scrapeOnce({ registries: [registryOf(metric)] })).toEqual({
      text: fine,
      failures: ['odd collect-failed'],
    });
  });

  it('whose values cannot be written loses those', async () => {
    const unwritable = {
      toString: () => {
        throw new Error('no text');
      },
    };
    const values = [
      { labels: { a: unwritable }, value: 1 },
      { labels: { a: 'b' }, value: 2 },
    ];
    const registry = registryOf({
      name: 'odd',
      get: () => ({ name: 'odd', help: 'h', type: 'gauge', values }),
    });
    const { text, failures } = await scrapeOnce({ registries: [registry] });
    expect(text).toContain('# TYPE odd gauge\nodd{a="b"} 2\n');
    expect(failures).toEqual(['odd collect-failed']);
  });

  it('that hangs is left out after its time, not waited for again, and not started again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const finish: (() => void)[] = [];
    const collect = vi.fn(() => new Promise<void>((resolve) => finish.push(resolve)));
    const failures: string[] = [];
    const exposition = registriesExposition({
      registries: [registryWith(collect)],
      collectorTimeoutMs: 300,
      onFailure: ({ metric, cause }) => failures.push(`${metric} ${cause}`),
    });
    const scrape = async (): Promise<string> =>
      (await bytesOf((await exposition.render({ accept: '' })).body)).toString();

    const both = Promise.all([scrape(), scrape()]);
    await vi.advanceTimersByTimeAsync(300);
    expect(await both).toEqual([fine, fine]);
    // No time passes here.
    expect(await scrape()).toBe(fine);
    expect(collect).toHaveBeenCalledTimes(1);
    expect(failures).toEqual(Array<string>(3).fill('odd collect-timeout'));

    // Once it is back it is served again.
    finish[0]?.();
    await new Promise(setImmediate);
    const next = scrape();
    finish[1]?.();
    expect(await next).toContain('odd 0\n');
    expect(collect).toHaveBeenCalledTimes(2);
  });

  it('has no longer than the scraper waits', async () => {
    const exposition = registriesExposition({
      registries: [registryWith(() => new Promise(() => undefined))],
      collectorTimeoutMs: 60_000,
    });
    const { body } = await exposition.render({ accept: '', timeoutSeconds: 0.1 });
    expect((await bytesOf(body)).toString()).toBe(fine);
  });

  it('that is slow is run once for scrapes that come together', async () => {
    const doors = new EventTarget();
    const collect = vi.fn(async function (this: Gauge) {
      await once(doors, 'open');
      this.set(7);
    });
    const exposition = registriesExposition({ registries: [registryWith(collect)] });
    const scrapes = [exposition.render({ accept: '' }), exposition.render({ accept: '' })];
    doors.dispatchEvent(new Event('open'));
    for (const { body } of await Promise.all(scrapes)) {
      expect((await bytesOf(body)).toString()).toContain('odd 7\n');
    }
    expect(collect).toHaveBeenCalledTimes(1);
  });

  it('may be told of by a callback that fails', async () => {
    const warned = once(process, 'warning');
    const onFailure = (failure: CollectorFailure): void => {
      throw new RangeError(failure.metric);
    };
    const registries = [registryWith(() => Promise.reject(new Error('no database')))];
    const { body } = await registriesExposition({ registries, onFailure }).render({ accept: '' });
    expect((await bytesOf(body)).toString()).toBe(fine);
    expect(String((await warned)[0])).toContain('a listener of registriesExposition failed with RangeError');
  });
});
