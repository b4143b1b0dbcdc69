import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Exposition, RenderedExposition, ScrapeRequest } from '../../../src/exposition/exposition.js';
import type { PrimaryMessage } from '../../../src/cli/workers/link-messages.js';
import { PrimaryScrapeError, ScrapesOfPrimary, ServedScrapes } from '../../../src/cli/workers/scrapes.js';
import { bytesOf } from '../../exposition/sources/registries/rendered.js';

const contentType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';

/** A worker and the primary, which serves the exposition at /metrics. */
function pair(render: (request: ScrapeRequest) => Promise<RenderedExposition>): {
  readonly exposition: Exposition;
  readonly elsewhere: Exposition;
} {
  const served = new Map([['/metrics', { contentType: () => contentType, render }]]);
  const primary = new ServedScrapes(served, (message: PrimaryMessage) => {
    const received = structuredClone(message);
    setImmediate(() => {
      if ('scrape' in received) worker.receive(received);
    });
  });
  const worker = new ScrapesOfPrimary((message) => {
    setImmediate(() => {
      if (message.kind === 'scrape') primary.begin(message);
      else if (message.kind === 'scrape-taken') primary.taken(message.scrape);
      else if (message.kind === 'scrape-abandoned') primary.abandon(message.scrape);
    });
  });
  return {
    exposition: worker.exposition('/metrics', () => contentType),
    elsewhere: worker.exposition('/elsewhere', () => contentType),
  };
}

/** Counts what is read of it. */
class Chunks implements AsyncIterable<Uint8Array> {
  read = 0;
  isClosed = false;

  constructor(
    readonly count: number,
    readonly breaksOff = false,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (; this.read < this.count; this.read += 1) {
        await nextTurn();
        yield Buffer.from(`chunk ${this.read}\n`);
      }
      if (this.breaksOff) throw new Error('broke off');
    } finally {
      this.isClosed = true;
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
}

describe('what a worker asks the primary for', () => {
  it('comes whole where it is whole, with what was asked for', async () => {
    const asked: ScrapeRequest[] = [];
    const { exposition } = pair((request) => {
      asked.push(request);
      return Promise.resolve({ contentType, body: 'm 1\n' });
    });
    const rendered = await exposition.render({ accept: 'text/plain', timeoutSeconds: 7 });
    expect(rendered).toEqual({ contentType, body: Buffer.from('m 1\n') });
    expect(asked).toMatchObject([{ accept: 'text/plain', timeoutSeconds: 7 }]);
    expect(exposition.contentType({ accept: '' })).toBe(contentType);
  });

  it('comes as it is read, and is read no faster', async () => {
    const body = new Chunks(50);
    const { exposition } = pair(() => Promise.resolve({ contentType, body }));
    const rendered = await exposition.render({ accept: '' });
    await turns(100);
    expect(body.read).toBeLessThan(10);
    const text = (await bytesOf(rendered.body)).toString();
    expect(text).toBe(Array.from({ length: 50 }, (_, index) => `chunk ${index}\n`).join(''));
    expect(body.isClosed).toBe(true);
  });

  it('breaks off where the primary does', async () => {
    const { exposition } = pair(() => Promise.resolve({ contentType, body: new Chunks(3, true) }));
    const rendered = await exposition.render({ accept: '' });
    await expect(bytesOf(rendered.body)).rejects.toThrow(PrimaryScrapeError);
  });

  it('is refused where the primary renders nothing, or knows of no such path', async () => {
    const { exposition, elsewhere } = pair(() => Promise.reject(new Error('secret-token')));
    await expect(exposition.render({ accept: '' })).rejects.toThrow(
      new PrimaryScrapeError('the primary rendered nothing'),
    );
    await expect(elsewhere.render({ accept: '' })).rejects.toThrow(PrimaryScrapeError);
  });

  it('is not read on once nobody wants it', async () => {
    const body = new Chunks(1000);
    const { exposition } = pair(() => Promise.resolve({ contentType, body }));
    const rendered = await exposition.render({ accept: '' });
    const chunks = (rendered.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await chunks.next();
    await chunks.return?.();
    await turns(20);
    expect(body.isClosed).toBe(true);
    expect(body.read).toBeLessThan(20);
  });

  it('is given up in the primary, too, where the scraper goes before it begins', async () => {
    let signal: AbortSignal | undefined;
    const { exposition } = pair((request) => {
      signal = request.signal;
      return new Promise(() => undefined);
    });
    const scraper = new AbortController();
    const rendering = exposition.render({ accept: '', signal: scraper.signal });
    await turns(5);
    scraper.abort();
    await expect(rendering).rejects.toThrow(PrimaryScrapeError);
    await turns(5);
    expect(signal?.aborted).toBe(true);
  });
});
