import { TimeSlice } from '../../time-slice.js';
import type { Exposition, ScrapeRequest } from '../exposition.js';
import { wholeOrStreamed } from '../body.js';
import { UpstreamError } from '../exposition-errors.js';
import { HeldExposition } from './held-exposition.js';
import { memberStatus } from './member-status.js';
import type { LeftOut } from './member.js';
import { mergedBody } from './merged-body.js';
import { MergedFamilies } from './merged-families.js';
import { checkMergingOptions, type MergedExpositionOptions } from './merging-options.js';
import { scrapeMember, type MemberScrape } from './scrape-member.js';
import { tell } from '../../tell.js';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
/** Work in one go (ms). */
const sliceMs = 4;
/** What is left of a scraper's timeout for merging and sending (ms), as Prometheus' own exporters leave it. */
const sendingMs = 500;

/**
 * Several expositions as one, in the text format: all lines of a metric together under one HELP and TYPE, wherever
 * they stood, series as they are but for the labels that are added. Last come two metrics of the members themselves:
 * `kcp_metrics_filter_upstream_up` and `kcp_metrics_filter_upstream_scrape_duration_seconds`.
 *
 * Members are read at the same time, each whole before anything of it is written: one that fails, or takes too long,
 * leaves the others as they are. Where all of them fail, the scrape does.
 *
 * @throws MergingOptionError
 */
export function mergedExposition(options: MergedExpositionOptions): Exposition {
  checkMergingOptions(options);
  const { members, timeoutMs = 10_000, maxHeldBytes = 64 * 1024 * 1024, onFailure, onLeftOut } = options;
  const leftOut = (what: LeftOut): void => {
    tell('mergedExposition', onLeftOut, what);
  };
  return {
    contentType: () => contentType,
    async render(request) {
      const bounds = { timeoutMs: Math.min(timeoutMs, readingMs(request)), maxHeldBytes };
      const scrapes = await Promise.all(members.map((member) => scrapeMember(member, request, bounds)));
      for (const { result } of scrapes) {
        if (result instanceof HeldExposition) continue;
        tell('mergedExposition', onFailure, result);
      }
      requireOne(scrapes);
      const slice = new TimeSlice(sliceMs);
      slice.begin();
      const families = await joined(scrapes, slice, leftOut);
      return wholeOrStreamed(contentType, mergedBody(families.values(), slice, leftOut));
    },
  };
}

async function joined(
  scrapes: readonly MemberScrape[],
  slice: TimeSlice,
  onLeftOut: (leftOut: LeftOut) => void,
): Promise<MergedFamilies> {
  const families = new MergedFamilies(onLeftOut);
  // First, so that no member can contradict it.
  const status = memberStatus(scrapes);
  for (const family of status.families()) families.add({ name: 'this filter' }, status, family);
  for (const { member, result } of scrapes) {
    if (!(result instanceof HeldExposition)) continue;
    for (const family of result.families()) {
      families.add(member, result, family);
      if (slice.isOver) await slice.rest();
    }
  }
  families.moveToEnd(status.families());
  return families;
}

/** @throws UpstreamError where there is no member. */
function requireOne(scrapes: readonly MemberScrape[]): void {
  const failures = scrapes.flatMap(({ result }) => (result instanceof HeldExposition ? [] : [result]));
  if (failures.length < scrapes.length) return;
  const isLate = failures.every(({ reason }) => reason === 'timeout');
  throw new UpstreamError('no upstream gave an exposition', isLate ? 504 : 502);
}

/** How long members may take, where the scraper does not wait forever (ms). */
function readingMs({ timeoutSeconds = Infinity }: ScrapeRequest): number {
  const scraperMs = timeoutSeconds * 1000;
  return Math.max(scraperMs - sendingMs, scraperMs / 2);
}
