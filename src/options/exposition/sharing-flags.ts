import type { Exposition } from '../../exposition/exposition.js';
import {
  RenderingLimit,
  type RenderingPlaces,
  limitedExposition,
} from '../../exposition/delivery/rendering-limit.js';
import { sharedExposition, type ScrapeOrigin } from '../../exposition/delivery/shared-exposition.js';
import { parseDuration } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import { largestTimerDelayMs } from '../../timer.js';

const maxScrapesInFlight: Flag = {
  name: '--max-scrapes-in-flight',
  value: 'count',
  default: '3',
  description:
    'expositions that are rendered at once, and all but one of them for the same user; scrapes that share one count as one, any beyond it wait for a second and are answered 503 then; 0: no bound',
};
const scrapeFreshness: Flag = {
  name: '--scrape-freshness',
  value: 'duration',
  default: '0s',
  description:
    'for how long a finished exposition is served again to whoever asks for the same; 0s: scrapes share one only while it is rendered',
};
const scrapeWriteTimeout: Flag = {
  name: '--scrape-write-timeout',
  value: 'duration',
  default: '10s',
  description:
    'how long a client may take less than 64 KiB of an exposition that is being sent before it is cut; 64 KiB a second are always enough',
};
const scrapeDeadline: Flag = {
  name: '--scrape-deadline',
  value: 'duration',
  default: '5m',
  description: 'how long sending an exposition may take in all before its client is cut; 0s: no bound',
};

/** How long a scrape waits for its place among the renderings: those of other paths or formats are soon over (ms). */
export const placeWaitMs = 1000;

/** What concurrent scrapes may cost. */
export const sharingFlags: readonly Flag[] = [
  maxScrapesInFlight,
  scrapeFreshness,
  scrapeWriteTimeout,
  scrapeDeadline,
];

export interface SharingEvents {
  readonly onScrape: (origin: ScrapeOrigin) => void;
  readonly onRefused: () => void;
  /** Told how many renderings are under way. */
  readonly onChange: (underWay: number) => void;
}

/**
 * What is done to each exposition that is served: one bound for all of them together. `perUser`: whether an answer
 * may depend on who scrapes; `places`: where they are granted, if not in this process.
 *
 * @throws UsageError naming the flag.
 */
export function sharingOf(
  values: FlagValues,
  { onScrape, onRefused, onChange }: SharingEvents,
  perUser: boolean,
  places: RenderingPlaces = new RenderingLimit({
    max: maxScrapesInFlightOf(values),
    waitMs: placeWaitMs,
    onRefused,
    onChange,
  }),
): (exposition: Exposition) => Exposition {
  const freshnessMs = durationOf(values, scrapeFreshness, 0);
  return (exposition) =>
    sharedExposition(limitedExposition(exposition, places), { perUser, freshnessMs, onScrape });
}

/** 0: no bound. @throws UsageError naming the flag. */
export function maxScrapesInFlightOf(values: FlagValues): number {
  const text = valueOf(values, maxScrapesInFlight) ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${maxScrapesInFlight.name}: ${JSON.stringify(text)} is no whole number`);
}

/** @throws UsageError naming the flag. */
export function scrapeWriteTimeoutOf(values: FlagValues): number {
  return durationOf(values, scrapeWriteTimeout, 1);
}

/** 0: no bound. @throws UsageError naming the flag. */
export function scrapeDeadlineOf(values: FlagValues): number {
  return durationOf(values, scrapeDeadline, 0);
}

function durationOf(values: FlagValues, flag: Flag, leastMs: 0 | 1): number {
  const text = valueOf(values, flag) ?? '';
  const milliseconds = parseDuration(flag.name, text);
  if (milliseconds >= leastMs && milliseconds <= largestTimerDelayMs) return milliseconds;
  throw new UsageError(`${flag.name}: ${JSON.stringify(text)} is not between ${leastMs}ms and 596h`);
}
