import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ScrapeRequest } from '../../../src/exposition/exposition.js';
import { RenderingLimit, limitedExposition } from '../../../src/exposition/delivery/rendering-limit.js';
import { sharedExposition } from '../../../src/exposition/delivery/shared-exposition.js';
import { scriptedExposition, settled, type Rendering } from './scripted-source.js';

type Step =
  | { readonly kind: 'join' | 'begin' | 'end' | 'fail' }
  | { readonly kind: 'produce'; readonly chunk: Uint8Array }
  | { readonly kind: 'read' | 'leave' | 'abort'; readonly reader: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'join' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'begin' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'end' }, { kind: 'fail' }) },
  {
    weight: 6,
    arbitrary: fc.uint8Array({ maxLength: 300 }).map((chunk): Step => ({ kind: 'produce', chunk })),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'read' as const,
        'read' as const,
        'read' as const,
        'leave' as const,
        'abort' as const,
      ),
      reader: fc.nat(20),
    }),
  },
);

/** One scraper, as far as it has come. */
interface Reader {
  readonly abort: AbortController;
  readonly rendering: Rendering | undefined;
  readonly received: Uint8Array[];
  iterator: AsyncIterator<Uint8Array> | undefined;
  isReading: boolean;
  end: 'whole' | 'left' | { readonly failure: unknown } | undefined;
}

class Scene {
  readonly source = scriptedExposition();
  readonly limit = new RenderingLimit({ max: 0 });
  readonly exposition = sharedExposition(limitedExposition(this.source, this.limit), { windowBytes: 1000 });
  readonly readers: Reader[] = [];
  readonly produced = new Map<Rendering, Uint8Array[]>();
  readonly #finished = new Set<Rendering>();

  join(): void {
    const abort = new AbortController();
    const request: ScrapeRequest = { accept: '', signal: abort.signal };
    const scrape = this.exposition.render(request);
    // It has begun a rendering or joined the last one.
    const rendering = this.source.renderings.at(-1);
    const reader: Reader = {
      abort,
      rendering,
      received: [],
      iterator: undefined,
      isReading: false,
      end: undefined,
    };
    this.readers.push(reader);
    scrape.then(
      ({ body }) => {
        reader.iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      },
      (failure: unknown) => (reader.end ??= { failure }),
    );
  }

  read(reader: Reader): void {
    if (reader.isReading || reader.end !== undefined || reader.iterator === undefined) return;
    reader.isReading = true;
    reader.iterator.next().then(
      ({ done, value }) => {
        reader.isReading = false;
        if (done === true) reader.end ??= 'whole';
        else reader.received.push(value);
      },
      (failure: unknown) => (reader.end ??= { failure }),
    );
  }

  take(step: Step): void {
    const rendering = this.source.renderings.at(-1);
    switch (step.kind) {
      case 'join':
        this.join();
        return;
      case 'begin':
        rendering?.begin();
        return;
      case 'produce':
        if (rendering !== undefined) this.produce(rendering, step.chunk);
        return;
      case 'end':
        if (rendering !== undefined) this.finish(rendering, 'end');
        return;
      case 'fail':
        if (rendering !== undefined) this.finish(rendering, new Error('no'));
        return;
      case 'read':
      case 'leave':
      case 'abort': {
        const reader = this.readers[step.reader % Math.max(1, this.readers.length)];
        if (reader === undefined) return;
        if (step.kind === 'read') this.read(reader);
        else if (step.kind === 'abort') reader.abort.abort();
        else if (reader.iterator !== undefined) {
          reader.end ??= 'left';
          void reader.iterator.return?.();
        }
      }
    }
  }

  produce(rendering: Rendering, chunk: Uint8Array): void {
    if (this.#finished.has(rendering)) return;
    this.produced.set(rendering, [...(this.produced.get(rendering) ?? []), chunk]);
    rendering.body.script(chunk);
  }

  finish(rendering: Rendering, how: 'end' | Error): void {
    if (this.#finished.has(rendering)) return;
    this.#finished.add(rendering);
    rendering.body.script(how);
  }

  /** Everybody who is still there reads to the end. */
  async drain(): Promise<void> {
    for (const rendering of this.source.renderings) {
      rendering.begin();
      this.finish(rendering, 'end');
    }
    await settled();
    await Promise.all(
      this.readers.map(async (reader) => {
        while (reader.end === undefined) {
          this.read(reader);
          await settled();
        }
      }),
    );
    await settled();
  }
}

describe('a scraper that joins, reads, waits and leaves at any time', () => {
  it('gets all bytes of its rendering or a clean failure, and every body ends exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const scene = new Scene();
        for (const next of steps) {
          scene.take(next);
          await settled();
        }
        await scene.drain();
        for (const { end, received, rendering, abort } of scene.readers) {
          const produced = rendering === undefined ? [] : (scene.produced.get(rendering) ?? []);
          const [got, all] = [Buffer.concat(received), Buffer.concat(produced)];
          if (end === 'whole') expect(got.equals(all)).toBe(true);
          else expect(all.subarray(0, got.byteLength).equals(got)).toBe(true);
          if (typeof end === 'object') {
            expect(String(end.failure)).toBe(
              abort.signal.aborted && String(end.failure) !== 'Error: no'
                ? 'AbortError: This operation was aborted'
                : 'Error: no',
            );
          }
        }
        for (const { body } of scene.source.renderings) {
          expect(body.ended).toBe(true);
          expect(body.closed).toBeLessThanOrEqual(1);
        }
        expect(scene.limit.underWay).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
