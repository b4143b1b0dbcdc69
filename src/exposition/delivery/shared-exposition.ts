import { tell } from '../../tell.js';
import { largestTimerDelayMs } from '../../timer.js';
import type { Exposition, RenderedExposition, ScrapeRequest } from '../exposition.js';
import { KeptRenderings } from './kept-renderings.js';
import { SharedRendering } from './shared-rendering.js';
import { SharingOptionError } from '../exposition-errors.js';

/** What a scrape was served: a rendering of its own, one in progress, or a finished one. */
export type ScrapeOrigin = 'rendered' | 'joined' | 'kept';

export interface SharedExpositionOptions {
  /**
   * Whether the answer may depend on the user. If not, users share renderings, and the exposition is not told the user.
   * Default true.
   */
  readonly perUser?: boolean;
  /** For how long a finished rendering is served again (ms). Default 0. */
  readonly freshnessMs?: number;
  /** The size of all finished renderings (bytes); the oldest are dropped first. Default 64 MiB. */
  readonly maxKeptBytes?: number;
  /**
   * How far the fastest scraper of a rendering may be before the slowest (bytes). A rendering can be joined as long as
   * it has sent no more than this. Default 16 MiB.
   */
  readonly windowBytes?: number;
  /** How long a scraper may delay others of the same rendering (ms) before it is disconnected. Default 5,000. */
  readonly laggardTimeoutMs?: number;
  /** Called for each scrape. */
  readonly onScrape?: (origin: ScrapeOrigin) => void;
}

/** The part of a request that makes the key. Only it is passed on, so nothing else can change the answer. */
type SharedRequest = Omit<ScrapeRequest, 'scraper' | 'signal'>;

/**
 * Another exposition, rendered once for all equal requests that arrive while it is being read: equal formats, codings and
 * timeout, since a shorter timeout may give less. Each scraper gets all bytes from the first.
 *
 * A scraper may join a rendering that began earlier, so its data may be as old as reading takes, at most 10 s if its
 * readers set the pace. A rendering is aborted when its last scraper leaves. One that fails, fails for all its scrapers
 * and is not kept.
 *
 * @throws SharingOptionError
 */
export function sharedExposition(exposition: Exposition, options: SharedExpositionOptions = {}): Exposition {
  check(options);
  const { perUser = true, freshnessMs = 0, maxKeptBytes = 64 * 1024 * 1024 } = options;
  const { windowBytes = 16 * 1024 * 1024, laggardTimeoutMs = 5000, onScrape } = options;
  const underWay = new Map<string, SharedRendering>();
  const kept = new KeptRenderings(freshnessMs, maxKeptBytes);

  const begin = (key: string, shared: SharedRequest, scraper: string | undefined): SharedRendering => {
    // Named one by one: a spread takes a fifth of the time of a small scrape.
    const { accept, acceptEncoding, timeoutSeconds, user } = shared;
    const rendering: SharedRendering = new SharedRendering(
      // Async, so that what it throws is a rejection.
      async (signal) =>
        await exposition.render({ accept, acceptEncoding, timeoutSeconds, user, scraper, signal }),
      {
        windowBytes,
        laggardTimeoutMs,
        onOver: () => {
          // A newer rendering may have begun once this one could no longer be joined.
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
      signal?.throwIfAborted();
      const shared = sharedRequest(request, perUser);
      const key = scrapeKey(shared);
      if (key === undefined) {
        tell('sharedExposition', onScrape, 'rendered');
        return exposition.render({ ...shared, scraper, signal });
      }
      const finished = kept.get(key);
      if (finished !== undefined) {
        tell('sharedExposition', onScrape, 'kept');
        return finished;
      }
      const current = underWay.get(key);
      const isJoined = current?.isJoinable === true;
      tell('sharedExposition', onScrape, isJoined ? 'joined' : 'rendered');
      return (isJoined ? current : begin(key, shared, scraper)).join(signal);
    },
  };
}

const bounds = {
  freshnessMs: [0, largestTimerDelayMs],
  maxKeptBytes: [0, Number.MAX_SAFE_INTEGER],
  windowBytes: [1, Number.MAX_SAFE_INTEGER],
  laggardTimeoutMs: [1, largestTimerDelayMs],
} as const;

function check(options: SharedExpositionOptions): void {
  for (const [option, [least, most]] of Object.entries(bounds)) {
    const value = options[option as keyof typeof bounds] ?? least;
    if (!(value >= least && value <= most)) {
      throw new SharingOptionError(`${option}: must be a number between ${least} and ${most}`);
    }
  }
}

function sharedRequest(request: ScrapeRequest, perUser: boolean): SharedRequest {
  const { accept, acceptEncoding, timeoutSeconds } = request;
  return {
    accept: normalized(accept),
    acceptEncoding: acceptEncoding && normalized(acceptEncoding),
    timeoutSeconds,
    user: perUser ? request.user : undefined,
  };
}

/** A longer request than any scraper's gets a rendering of its own (characters). */
const maxKeyLength = 4096;

/** Equal for requests with the same answer; undefined if a request is too long to compare. */
function scrapeKey({ accept, acceptEncoding, timeoutSeconds, user }: SharedRequest): string | undefined {
  if (accept.length + (acceptEncoding?.length ?? 0) > maxKeyLength) return undefined;
  const parts = [accept, acceptEncoding, timeoutSeconds];
  const key = JSON.stringify(user === undefined ? parts : [...parts, user.name, user.groups, user.extra]);
  return key.length > maxKeyLength ? undefined : key;
}

/** A header's list without optional blanks (RFC 9110, 5.6.3); unchanged if it contains quotes. */
function normalized(list: string): string {
  if (!/[ \t]/.test(list) || list.includes('"')) return list;
  // Not a regular expression: its time would grow quadratically with blanks that no comma follows.
  return list
    .split(',')
    .map((member) =>
      member
        .split(';')
        .map((part) => part.trim())
        .join(';'),
    )
    .join(',');
}
