import { tell } from '../../tell.js';
import { TimeSlice } from '../../time-slice.js';
import { wholeOrStreamed } from '../body.js';
import { UpstreamError } from '../exposition-errors.js';
import { workingMs, type Exposition } from '../exposition.js';
import { TextFormatReader } from '../text-format/text-format-reader.js';
import { HeldExposition } from './held-exposition.js';
import { mergedBody } from './merged-body.js';
import { MergedFamilies } from './merged-families.js';
import { checkMergingOptions, type LeftOut, type MergedExpositionOptions } from './merging-options.js';
import { scrapeMember, type MemberScrape } from './scrape-member.js';

const up = 'kcp_metrics_filter_upstream_up';
const seconds = 'kcp_metrics_filter_upstream_scrape_duration_seconds';
const contentType = 'text/plain; version=0.0.4; charset=utf-8';
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
  const { members, timeoutMs = 10_000, maxHeldBytes = 64 * 1024 * 1024 } = options;
  const onLeftOut = (what: LeftOut): void => {
    tell('mergedExposition', options.onLeftOut, what);
  };
  return {
    contentType: () => contentType,
    async render(request) {
      const bounds = { timeoutMs: Math.min(timeoutMs, workingMs(request, sendingMs)), maxHeldBytes };
      const scrapes = await Promise.all(members.map((member) => scrapeMember(member, request, bounds)));
      const failures = scrapes.flatMap(({ result }) => (result instanceof HeldExposition ? [] : [result]));
      for (const failure of failures) tell('mergedExposition', options.onFailure, failure);
      if (failures.length === scrapes.length) {
        const isLate = failures.every(({ reason }) => reason === 'timeout');
        throw new UpstreamError('no upstream gave an exposition', isLate ? 504 : 502);
      }
      const slice = new TimeSlice().begin();
      const families = await joined(scrapes, slice, onLeftOut);
      return wholeOrStreamed(contentType, mergedBody(families.values(), slice, onLeftOut));
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

/** How each member was scraped, as an exposition of its own: `up` as Prometheus has it of its targets. */
function memberStatus(scrapes: readonly MemberScrape[]): HeldExposition {
  const lines = [
    `# HELP ${up} Whether the upstream's exposition is part of this scrape.`,
    `# TYPE ${up} gauge`,
    ...scrapes.map(
      ({ member, result }) => `${up}{upstream="${member.name}"} ${result instanceof HeldExposition ? 1 : 0}`,
    ),
    `# HELP ${seconds} Time until the upstream's exposition was read, or failed, in seconds.`,
    `# TYPE ${seconds} gauge`,
    ...scrapes.map((scrape) => `${seconds}{upstream="${scrape.member.name}"} ${scrape.seconds.toFixed(6)}`),
  ];
  const reader = new TextFormatReader({ format: 'text' });
  const held = new HeldExposition(Infinity, undefined);
  for (const part of reader.read(Buffer.from(lines.map((line) => `${line}\n`).join('')))) held.write(part);
  for (const part of reader.end()) held.write(part);
  return held;
}
