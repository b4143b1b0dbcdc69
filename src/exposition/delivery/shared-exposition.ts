import type { Exposition, RenderedExposition, ScrapeRequest } from '../exposition.js';
import { KeptRenderings } from './kept-renderings.js';
import { scrapeKey, sharedRequest, type SharedRequest } from './scrape-key.js';
import { SharedRendering } from './shared-rendering.js';
import { tell } from '../../tell.js';
import { largestTimerDelayMs } from '../../timer.js';
import { SharingOptionError } from '../exposition-errors.js';

/** Where a scrape's bytes come from: a rendering of its own, one that was under way, or a finished one. */
export type ScrapeOrigin = 'rendered' | 'joined' | 'kept';

export interface SharedExpositionOptions {
  /**
   * Whether the answer may depend on who scrapes. Where it may not, users share, and the exposition is not told who
   * they are. Default true.
   */
  readonly perUser?: boolean;
  /** For how long a finished rendering is served again (ms). Default 0. */
  readonly freshnessMs?: number;
  /** All finished renderings together (bytes); the oldest are forgotten first. Default 64 MiB. */
  readonly maxKeptBytes?: number;
  /**
   * How far the fastest scraper of a rendering may be before the slowest (bytes). A rendering can be joined as long as
   * it has sent no more than this. Default 16 MiB.
   */
  readonly windowBytes?: number;
  /** For how long a scraper may hold up others of the same rendering (ms) before he is cut. Default 5,000. */
  readonly laggardTimeoutMs?: number;
  /** Told of each scrape where its bytes come from. */
  readonly onScrape?: (origin: ScrapeOrigin) => void;
}

/**
 * Another exposition, rendered once for all who ask for the same while it is: the same formats and codings, and the
 * same timeout, since who waits for less may get less. Each gets all bytes from the first.
 *
 * What a scraper joins was begun before he asked: it is at most as old as the rendering takes to be read, and where
 * its readers set the pace, at most 10 s. A rendering is aborted when its last scraper is gone. One that fails, fails
 * for all who share it; it is not remembered.
 *
 * @throws SharingOptionError
 */
export function sharedExposition(exposition: Exposition, options: SharedExpositionOptions = {}): Exposition {
  check(options);
  const { perUser = true, freshnessMs = 0, maxKeptBytes = 64 * 1024 * 1024 } = options;
  const { windowBytes = 16 * 1024 * 1024, laggardTimeoutMs = 5000, onScrape } = options;
  const underWay = new Map<string, SharedRendering>();
  const kept = new KeptRenderings(freshnessMs, maxKeptBytes);

  const begin = (
    key: string,
    request: SharedRequest,
    account: Pick<ScrapeRequest, 'scraper'>,
  ): SharedRendering => {
    const rendering: SharedRendering = new SharedRendering(
      // Whatever it does, it fails as a promise.
      async (signal) => await exposition.render({ ...request, ...account, signal }),
      {
        windowBytes,
        laggardTimeoutMs,
        onOver: () => {
          // Another may have begun since this one could not be joined any more.
          if (underWay.get(key) === rendering) underWay.delete(key);
        },
        onFinished: (rendered, chunks) => {
          kept.put(key, rendered, chunks);
        },
      },
    );
    underWay.set(key, rendering);
    return rendering;
  };

  return {
    contentType: (request) => exposition.contentType(request),
    async render(request): Promise<RenderedExposition> {
      const { signal, scraper } = request;
      const account = scraper === undefined ? {} : { scraper };
      signal?.throwIfAborted();
      const shared = sharedRequest(request, perUser);
      const key = scrapeKey(shared);
      if (key === undefined) {
        tell('sharedExposition', onScrape, 'rendered');
        return exposition.render({ ...shared, ...account, ...(signal === undefined ? {} : { signal }) });
      }
      const finished = kept.get(key);
      if (finished !== undefined) {
        tell('sharedExposition', onScrape, 'kept');
        return finished;
      }
      const current = underWay.get(key);
      const isJoined = current?.isJoinable === true;
      tell('sharedExposition', onScrape, isJoined ? 'joined' : 'rendered');
      return (isJoined ? current : begin(key, shared, account)).join(signal);
    },
  };
}

function check(options: SharedExpositionOptions): void {
  const bounds = {
    freshnessMs: { least: 0, most: largestTimerDelayMs },
    maxKeptBytes: { least: 0, most: Number.MAX_SAFE_INTEGER },
    windowBytes: { least: 1, most: Number.MAX_SAFE_INTEGER },
    laggardTimeoutMs: { least: 1, most: largestTimerDelayMs },
  } as const;
  for (const [option, { least, most }] of Object.entries(bounds)) {
    const value = options[option as keyof typeof bounds] ?? least;
    if (!(value >= least && value <= most)) {
      throw new SharingOptionError(`${option}: must be a number between ${least} and ${most}`);
    }
  }
}
