import { tell } from '../../tell.js';
import { largestTimerDelayMs } from '../../timer.js';
import { anExposition, type Exposition, type RenderedExposition, type ScrapeRequest } from '../exposition.js';
import { KeptRenderings } from './kept-renderings.js';
import { SharedRendering } from './shared-rendering.js';
import { SharingOptionError } from '../exposition-errors.js';
import { checkArgument, checkOptions } from '../../option-checks.js';

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

/** `key`: equal for requests that get the same; undefined where a request is too long to be compared. */
interface Asked {
  readonly shared: SharedRequest;
  readonly key: string | undefined;
}

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
  checkArgument('exposition', exposition, anExposition);
  checkOptions(options, {});
  const { perUser = true, freshnessMs = 0, maxKeptBytes = 64 * 1024 * 1024 } = options;
  const { windowBytes = 16 * 1024 * 1024, laggardTimeoutMs = 5000, onScrape } = options;
  requireBetween('freshnessMs', freshnessMs, 0, largestTimerDelayMs);
  requireBetween('maxKeptBytes', maxKeptBytes, 0, Number.MAX_SAFE_INTEGER);
  requireBetween('windowBytes', windowBytes, 1, Number.MAX_SAFE_INTEGER);
  requireBetween('laggardTimeoutMs', laggardTimeoutMs, 1, largestTimerDelayMs);
  let underWay = new Map<string, SharedRendering>();
  const kept = new KeptRenderings(freshnessMs, maxKeptBytes);

  const begin = (key: string, shared: SharedRequest, scraper: string | undefined): SharedRendering => {
    // Named one by one: a spread takes a fifth of the time of a small scrape.
    const { accept, acceptEncoding, timeoutSeconds, query, user } = shared;
    const rendering: SharedRendering = new SharedRendering(
      // Async, so that what it throws is a rejection.
      async (signal) =>
        await exposition.render({ accept, acceptEncoding, timeoutSeconds, query, user, scraper, signal }),
      {
        windowBytes,
        laggardTimeoutMs,
        onOver: () => {
          // A newer rendering may have begun once this one could no longer be joined.
          if (underWay.get(key) === rendering) underWay.delete(key);
          // Its tables would keep renderings that are over until the next full garbage collection (as in WriteDeadline).
          if (underWay.size === 0) underWay = new Map();
        },
        onFinished: (rendered, chunks) => {
          kept.put(key, rendered, chunks);
        },
      },
    );
    underWay.set(key, rendering);
    return rendering;
  };

  const renderedBy = async (asked: Asked, request: ScrapeRequest): Promise<RenderedExposition> => {
    const { shared, key } = asked;
    const { signal, scraper } = request;
    signal?.throwIfAborted();
    tell('sharedExposition', onScrape, 'rendered');
    return key === undefined
      ? exposition.render({ ...shared, scraper, signal })
      : begin(key, shared, scraper).join(request);
  };

  // Most scrapes ask for the same as the one before.
  let last: { readonly sent: SharedRequest; readonly asked: Asked } | undefined;
  const askedBy = (request: ScrapeRequest): Asked => {
    const { accept, acceptEncoding, timeoutSeconds, query } = request;
    const sent = { accept, acceptEncoding, timeoutSeconds, query, user: perUser ? request.user : undefined };
    if (last === undefined || !isSame(sent, last.sent)) last = { sent, asked: askedOf(sent) };
    return last.asked;
  };

  return {
    contentType: (request) => exposition.contentType(request),
    // Neither async, nor reading the signal where it is not needed: both cost more than to join does.
    render(request): Promise<RenderedExposition> {
      const asked = askedBy(request);
      const { key } = asked;
      const finished = key === undefined ? undefined : kept.get(key);
      if (finished !== undefined) {
        tell('sharedExposition', onScrape, 'kept');
        return Promise.resolve(finished);
      }
      const current = key === undefined ? undefined : underWay.get(key);
      if (current?.isJoinable !== true) return renderedBy(asked, request);
      tell('sharedExposition', onScrape, 'joined');
      return current.join(request);
    },
  };
}

function requireBetween(option: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new SharingOptionError(`${option}: must be a number between ${least} and ${most}`);
}

/** A longer request than any scraper's gets a rendering of its own (characters). */
const maxKeyLength = 4096;

function askedOf(sent: SharedRequest): Asked {
  const { timeoutSeconds, query, user } = sent;
  const accept = normalized(sent.accept);
  const acceptEncoding = sent.acceptEncoding && normalized(sent.acceptEncoding);
  const shared = { accept, acceptEncoding, timeoutSeconds, query, user };
  if (accept.length + (acceptEncoding?.length ?? 0) > maxKeyLength) return { shared, key: undefined };
  const parts = [accept, acceptEncoding, timeoutSeconds, query];
  const key = JSON.stringify(user === undefined ? parts : [...parts, user.name, user.groups, user.extra]);
  return { shared, key: key.length > maxKeyLength ? undefined : key };
}

/** Users are compared by their keys. */
function isSame(one: SharedRequest, other: SharedRequest): boolean {
  return (
    one.user === undefined &&
    other.user === undefined &&
    one.accept === other.accept &&
    one.acceptEncoding === other.acceptEncoding &&
    one.timeoutSeconds === other.timeoutSeconds &&
    one.query === other.query
  );
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
