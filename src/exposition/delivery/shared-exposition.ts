import { tell } from '../../tell.js';
import { largestTimerDelayMs } from '../../timer.js';
import type { Exposition, RenderedExposition, ScrapeRequest } from '../exposition.js';
import { KeptRenderings } from './kept-renderings.js';
import { SharedRendering } from './shared-rendering.js';
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
  /** For how long a scraper may hold up others of the same rendering (ms) before it is cut. Default 5,000. */
  readonly laggardTimeoutMs?: number;
  /** Called for each scrape. */
  readonly onScrape?: (origin: ScrapeOrigin) => void;
}

/** The part of a request that makes the key, and is passed on: what is not in the key cannot change the answer. */
type SharedRequest = Omit<ScrapeRequest, 'scraper' | 'signal'>;

/**
 * Another exposition, rendered once for all who ask for the same while it is under way: the same formats, codings and
 * timeout, since a scraper that waits for less may get less. Each gets all bytes from the first.
 *
 * A scraper may join a rendering that began before it asked: so its data is as old as the rendering takes to be read,
 * and where its readers set the pace, at most 10 s. A rendering is aborted when its last scraper leaves. One that
 * fails, fails for all who share it, and is not remembered.
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

/** Longer than what any scraper asks for: such a request gets a rendering of its own. */
const maxKeyLength = 4096;

/** Equal for requests that get the same; undefined where a request is too long to be compared. */
function scrapeKey({ accept, acceptEncoding, timeoutSeconds, user }: SharedRequest): string | undefined {
  if (accept.length + (acceptEncoding?.length ?? 0) > maxKeyLength) return undefined;
  const parts = [accept, acceptEncoding, timeoutSeconds];
  const key = JSON.stringify(user === undefined ? parts : [...parts, user.name, user.groups, user.extra]);
  return key.length > maxKeyLength ? undefined : key;
}

/** A header's list without the blanks that mean nothing (RFC 9110, 5.6.3); with quotes in it, as it is. */
function normalized(list: string): string {
  if (!/[ \t]/.test(list) || list.includes('"')) return list;
  // No regular expression for blanks before a comma: its time grows with the square of blanks that have none behind.
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
