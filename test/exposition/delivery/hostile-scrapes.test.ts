import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Exposition, RenderedExposition } from '../../../src/exposition/exposition.js';
import { KeptRenderings } from '../../../src/exposition/delivery/kept-renderings.js';
import { RenderingLimit, limitedExposition } from '../../../src/exposition/delivery/rendering-limit.js';
import { sharedExposition, sharedRequest } from '../../../src/exposition/delivery/shared-exposition.js';
import { abandon } from '../../../src/exposition/body.js';
import { contentType } from './scripted-source.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('headers that were made to cost much', () => {
  it('are read in a time that grows no faster than they do', () => {
    const accept = `a${' '.repeat(60_000)}b`;
    const begun = performance.now();
    expect(sharedRequest({ accept, acceptEncoding: `${accept},\t c ; q=1 ` }, true)).toMatchObject({
      accept,
      acceptEncoding: `${accept},c;q=1`,
    });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('keep no more than so many renderings, however small', () => {
    vi.useFakeTimers();
    const kept = new KeptRenderings(10_000, 1_000_000);
    for (let at = 0; at < 5000; at += 1) kept.put(`key ${at}`, { contentType, body: '' }, [Buffer.alloc(0)]);
    expect([kept.count, kept.get('key 0'), kept.get('key 4999')?.contentType]).toEqual([
      1024,
      undefined,
      contentType,
    ]);
    vi.advanceTimersByTime(10_000);
    expect(kept.count).toBe(0);
  });

  it('keep no more memory than there are bytes', async () => {
    const kept = new KeptRenderings(10_000, 1_000_000);
    const short = (text: string): Buffer => Buffer.alloc(64 * 1024, text).subarray(0, 3);
    kept.put('whole', { contentType, body: short('a') }, [short('a')]);
    kept.put('streamed', { contentType, body: Readable.from([]) }, [short('b'), short('c')]);
    const chunks: Uint8Array[] = [];
    for (const key of ['whole', 'streamed']) {
      const body = kept.get(key)?.body ?? '';
      if (body instanceof Uint8Array) chunks.push(body);
      else if (typeof body === 'object') for await (const chunk of body) chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).toString()).toBe('aaabbbccc');
    expect(chunks.map(({ buffer }) => buffer.byteLength)).toEqual([3, 3, 3]);
  });
});

describe('an exposition that keeps to no type', () => {
  const garbage: readonly (readonly [string, unknown])[] = [
    ['nothing', undefined],
    ['no body', { contentType, body: null }],
  ];

  it.each(garbage)(
    'keeps no place where it renders %s, and fails its scrape alone',
    async (_what, rendered) => {
      const limit = new RenderingLimit({ max: 1 });
      const source: Exposition = {
        contentType: () => contentType,
        render: () => Promise.resolve(rendered as RenderedExposition),
      };
      const exposition = sharedExposition(limitedExposition(source, limit));
      await expect(exposition.render({ accept: '' })).rejects.toThrow(TypeError);
      expect(limit.underWay).toBe(0);
      const unlimited = sharedExposition(source);
      await expect(unlimited.render({ accept: '' })).rejects.toThrow(TypeError);
    },
  );
});

describe('a body that nobody reads', () => {
  it('is closed, though it is a stream whose iterator was never begun', async () => {
    const body = new Readable({ read: () => undefined });
    await abandon({ contentType, body });
    expect(body.destroyed).toBe(true);
  });
});
