import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exposition } from '../../../src/exposition/exposition.js';
import {
  RenderingLimit,
  type LeavePlace,
  type RenderingPlaces,
  limitedExposition,
} from '../../../src/exposition/delivery/rendering-limit.js';
import { sharedExposition } from '../../../src/exposition/delivery/shared-exposition.js';
import { contentType, renderingOf, scriptedExposition, settled } from './scripted-source.js';

const request = { accept: '' };
const refusal = {
  code: 'ERR_TOO_MANY_SCRAPES',
  message: 'limit of concurrent scrapes reached (1), try again later',
  retryAfterSeconds: 1,
};

function setting() {
  const source = scriptedExposition();
  const told: (number | 'refused')[] = [];
  const limit = new RenderingLimit({
    max: 1,
    onChange: (underWay) => told.push(underWay),
    onRefused: () => told.push('refused'),
  });
  return { source, told, limit, exposition: limitedExposition(source, limit) };
}

describe('a bound of renderings', () => {
  it('refuses what is beyond it, and counts', async () => {
    const { source, told, exposition } = setting();
    const first = exposition.render(request);
    await expect(exposition.render(request)).rejects.toMatchObject(refusal);
    renderingOf(source).whole('a 1\n');
    expect((await first).body).toBe('a 1\n');
    void exposition.render(request);
    expect([source.renderings.length, told]).toEqual([2, [1, 'refused', 0, 1]]);
  });

  it.each<[string, (body: AsyncIterator<Uint8Array>) => Promise<unknown>]>([
    ['is read to the end', (body) => body.next().then(() => body.next())],
    [
      'fails',
      async (body) => {
        await body.next();
        await expect(body.next()).rejects.toThrow('no');
      },
    ],
    ['is abandoned before it is read', async (body) => body.return?.()],
    ['is abandoned twice', async (body) => [await body.return?.(), await body.return?.()]],
    ['is abandoned while it is read', (body) => body.next().then(() => body.return?.())],
  ])('counts a rendering until its body %s', async (how, end) => {
    const { source, limit, told, exposition } = setting();
    const scrape = exposition.render(request);
    const { begin, body } = renderingOf(source);
    begin();
    body.script(Buffer.from('a 1\n'), how === 'fails' ? new Error('no') : 'end');
    const rendered = await scrape;
    expect(limit.underWay).toBe(1);
    await end((rendered.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]());
    expect([limit.underWay, told]).toEqual([0, [1, 0]]);
  });

  it.each(['rejects', 'throws'])('counts no rendering that %s', async (how) => {
    const limit = new RenderingLimit({ max: 1 });
    const render = (): Promise<never> => {
      if (how === 'throws') throw new RangeError('no');
      return Promise.reject(new RangeError('no'));
    };
    const exposition = limitedExposition({ contentType: () => contentType, render }, limit);
    await expect(exposition.render(request)).rejects.toThrow('no');
    expect(limit.underWay).toBe(0);
  });

  it('counts a Node stream until it is destroyed, read or not', async () => {
    const limit = new RenderingLimit({ max: 1 });
    const body = new Readable({ read: () => undefined });
    const source: Exposition = {
      contentType: () => contentType,
      render: () => Promise.resolve({ contentType, body: body as AsyncIterable<Uint8Array> }),
    };
    const rendered = await limitedExposition(source, limit).render(request);
    await (rendered.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().return?.();
    expect([limit.underWay, body.destroyed]).toEqual([0, true]);
  });

  it('counts scrapes that share a rendering as one', async () => {
    const { source, limit, exposition } = setting();
    const shared = sharedExposition(exposition);
    const scrapes = [shared.render(request), shared.render(request)];
    await settled();
    expect([limit.underWay, source.renderings.length]).toEqual([1, 1]);
    await expect(shared.render({ accept: 'another' })).rejects.toMatchObject(refusal);
    renderingOf(source).whole('a 1\n');
    await Promise.all(scrapes);
    expect(limit.underWay).toBe(0);
  });

  it('counts a rendering that goes on although its scraper is gone', async () => {
    const { source, limit, exposition } = setting();
    const leaving = new AbortController();
    const shared = sharedExposition(exposition);
    const scrape = shared.render({ ...request, signal: leaving.signal });
    leaving.abort();
    await expect(scrape).rejects.toThrow('aborted');
    await expect(shared.render(request)).rejects.toMatchObject(refusal);
    renderingOf(source).begin();
    await settled();
    expect(limit.underWay).toBe(0);
  });

  it('is none where it is 0', async () => {
    const source = scriptedExposition();
    const exposition = limitedExposition(source, new RenderingLimit({ max: 0 }));
    for (let scrape = 0; scrape < 50; scrape += 1) void exposition.render(request);
    await settled();
    expect(source.renderings).toHaveLength(50);
  });

  it('is 3 unless said otherwise', () => {
    expect(new RenderingLimit().max).toBe(3);
  });

  it.each([-1, 1.5, NaN, Infinity])('cannot be %j', (max) => {
    expect(() => new RenderingLimit({ max })).toThrow(
      expect.objectContaining({ code: 'ERR_SHARING_OPTION' }),
    );
  });

  it('may be waited at: who came first is next, and who waits too long is refused', async () => {
    const told: (number | 'refused')[] = [];
    const limit = new RenderingLimit({
      max: 1,
      waitMs: 20,
      onChange: (underWay) => told.push(underWay),
      onRefused: () => told.push('refused'),
    });
    const first = await limit.enter();
    const [second, third] = [limit.enter(), limit.enter()];
    first?.();
    first?.();
    expect(limit.underWay).toBe(1);
    const leaveSecond = await second;
    await expect(third).resolves.toBeUndefined();
    leaveSecond?.();
    expect([limit.underWay, told]).toEqual([0, [1, 0, 1, 'refused', 0]]);
  });

  it('is waited at by a hundred at most', async () => {
    let refused = 0;
    const limit = new RenderingLimit({ max: 1, waitMs: 10, onRefused: () => (refused += 1) });
    const places = Array.from({ length: 103 }, (_, at) => Promise.resolve(limit.enter(String(at))));
    expect(refused).toBe(2);
    expect((await Promise.all(places)).filter((place) => place !== undefined)).toHaveLength(1);
  });

  it('is waited at by fifty of one scraper at most', () => {
    let refused = 0;
    const limit = new RenderingLimit({ max: 1, waitMs: 10, onRefused: () => (refused += 1) });
    for (let at = 0; at < 60; at += 1) void limit.enter('a');
    expect(refused).toBe(9);
    void limit.enter('b');
    expect(refused).toBe(9);
  });

  it.each([
    [1, 1, 0],
    [2, 1, 1],
    [3, 2, 1],
    [8, 7, 1],
  ])('of %i has %i for one scraper, and %i left for another', (max, own, others) => {
    const limit = new RenderingLimit({ max });
    const entered = (scraper?: string): number =>
      Array.from({ length: 2 * max }, () => limit.enter(scraper)).filter((leave) => leave !== undefined)
        .length;
    expect([entered('a'), entered('b'), entered(), limit.underWay]).toEqual([own, others, 0, own + others]);
  });

  it('takes those who are not known for one', () => {
    const limit = new RenderingLimit({ max: 2 });
    expect([limit.enter(), limit.enter(), limit.enter('a')].map((leave) => leave !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('gives a place that is free to who may have it, and not to who waits before with all of theirs', async () => {
    const limit = new RenderingLimit({ max: 3, waitMs: 60_000 });
    const own = [limit.enter('a'), limit.enter('a')];
    const other = await limit.enter('b');
    const waiting = limit.enter('a');
    const behind = limit.enter('c');
    other?.();
    const leave = await behind;
    expect([leave === undefined, limit.underWay]).toEqual([false, 3]);
    (await own[0])?.();
    expect(await waiting).toBeDefined();
  });

  it('holds each scraper and all of them to it, whatever scrapers come and go', async () => {
    const step = fc.record({ scraper: fc.constantFrom('a', 'b', 'c'), comes: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(step, { maxLength: 60 }),
        async (max, steps) => {
          const limit = new RenderingLimit({ max, waitMs: 60_000 });
          const inside: { readonly scraper: string; readonly leave: LeavePlace }[] = [];
          for (const { scraper, comes } of steps) {
            if (comes) {
              void Promise.resolve(limit.enter(scraper)).then((leave) => {
                if (leave !== undefined) inside.push({ scraper, leave });
              });
            } else
              inside
                .splice(
                  inside.findIndex((one) => one.scraper === scraper),
                  1,
                )[0]
                ?.leave();
            await Promise.resolve();
            await Promise.resolve();
            expect(inside.length).toBeLessThanOrEqual(max);
            for (const name of ['a', 'b', 'c']) {
              const own = inside.filter((one) => one.scraper === name).length;
              expect(own).toBeLessThanOrEqual(Math.max(1, max - 1));
            }
          }
          while (inside.length > 0) {
            inside.shift()?.leave();
            await new Promise(setImmediate);
          }
          expect(limit.underWay).toBe(0);
        },
      ),
    );
  });

  it.each([true, false])(
    'knows who scrapes behind a sharing, also where users share: %j',
    async (perUser) => {
      const source = scriptedExposition();
      const limit = new RenderingLimit({ max: 3 });
      const exposition = sharedExposition(limitedExposition(source, limit), { perUser });
      const by = (name: string, accept: string): Promise<unknown> =>
        exposition.render({ accept, scraper: name, user: { name, groups: [] } });
      for (const accept of ['a/a', 'b/b']) void by('a', accept);
      await expect(by('a', 'c/c')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_SCRAPES' });
      void by('b', 'd/d');
      await settled();
      expect([source.renderings.length, limit.underWay]).toEqual([3, 3]);
    },
  );

  it.each([-1, NaN, 60_001])('is not waited at for %j ms', (waitMs) => {
    expect(() => new RenderingLimit({ waitMs })).toThrow(
      expect.objectContaining({ code: 'ERR_SHARING_OPTION' }),
    );
  });

  it('may be kept by somebody who has to be asked; a place that comes too late is given back', async () => {
    let places = 0;
    const leaving = new AbortController();
    const asked: RenderingPlaces = {
      max: 1,
      enter: () => {
        places += 1;
        return Promise.resolve(() => (places -= 1));
      },
    };
    const source = scriptedExposition();
    const exposition = limitedExposition(source, asked);
    const scrape = exposition.render({ ...request, signal: leaving.signal });
    leaving.abort();
    await expect(scrape).rejects.toThrow('aborted');
    expect([places, source.renderings.length]).toEqual([0, 0]);
  });
});
