import { tell } from '../../tell.js';
import { runInSlices, TimeSlice } from '../../time-slice.js';
import { wholeOrStreamed } from '../body.js';
import { UpstreamError } from '../exposition-errors.js';
import { workingMs, type Exposition, type RenderedExposition } from '../exposition.js';
import { contentTypes } from '../text-format/exposition-format.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { AddedLabels } from './added-labels.js';
import { HeldExposition } from './held-exposition.js';
import { mergedBody } from './merged-body.js';
import { areToldApart, MergedFamilies } from './merged-families.js';
import { checkMergingOptions, type LeftOut, type MergedExpositionOptions } from './merging-options.js';
import { KnownMember, MemberScrape } from './scrape-member.js';
import { sortedBody } from './sorted-body.js';
import { anObject, checkOptions, listOf } from '../../option-checks.js';

const up = 'kcp_metrics_filter_upstream_up';
const seconds = 'kcp_metrics_filter_upstream_scrape_duration_seconds';
const ownNames = [up, seconds];
const contentType = contentTypes.text;
/** After a member broke off a body, so that one that often does costs the others no scrape. */
const scrapesReadWhole = 100;

/**
 * Several expositions as one, in the text format: all lines of a metric together under one HELP and TYPE, wherever
 * they stood, series as they are but for the labels that are added. Last come two metrics of the members themselves:
 * `kcp_metrics_filter_upstream_up` and `kcp_metrics_filter_upstream_scrape_duration_seconds`.
 *
 * Members are read at the same time, each whole before anything of it is written: one that fails, or takes too long,
 * leaves the others as they are. Where all of them fail, the scrape does. What is larger than `maxBytesAhead` together
 * is merged while it comes, if each member was whole, and its metrics in the order of their names, in its last scrape:
 * then one that fails midway breaks off the body, and is read whole in the next 100 scrapes. Metrics are in the order
 * of their names where those of all members are, else in the order in which the members have them.
 *
 * @throws MergingOptionError
 */
export function mergedExposition(options: MergedExpositionOptions): Exposition {
  checkOptions(options, {
    members: listOf('{ name, exposition }', anObject('a member', 'name', 'exposition')),
  });
  checkMergingOptions(options);
  const { members, timeoutMs = 10_000, maxHeldBytes = 64 * 1024 * 1024 } = options;
  const { maxBytesAhead = 2 * 1024 * 1024 } = options;
  const onLeftOut = (what: LeftOut): void => {
    tell('mergedExposition', options.onLeftOut, what);
  };
  const areApart = members.every((one, at) =>
    members.slice(0, at).every((other) => areToldApart(one, other)),
  );
  const known = members.map((member) => new KnownMember(member));

  const tellFailures = (scrapes: readonly MemberScrape[], readWhole = 0): void => {
    for (const scrape of scrapes) {
      if (scrape.failure === undefined) continue;
      scrape.known.found(scrape.hasBegun ? 'other' : 'absent', readWhole);
      tell('mergedExposition', options.onFailure, scrape.failure);
    }
  };

  /** Reads what fits into memory anyway; returns whether the rest may be written while it comes. */
  async function readAhead(scrapes: readonly MemberScrape[]): Promise<boolean> {
    let ahead = 0;
    const readOne = async (scrape: MemberScrape): Promise<void> => {
      await scrape.open();
      for (let read = 1; read > 0 && ahead < maxBytesAhead; ahead += read) read = await scrape.readAhead();
    };
    await Promise.all(scrapes.map((scrape) => scrape.attempt(() => readOne(scrape))));
    const present = scrapes.filter(({ failure }) => failure === undefined);
    return present.some(({ isRead }) => !isRead) && present.every((scrape) => scrape.known.last === 'sorted');
  }

  async function heldWhole(scrapes: readonly MemberScrape[]): Promise<RenderedExposition> {
    const all = await Promise.all(
      scrapes.map(async (scrape) => {
        const held = await scrape.attempt(() => readWhole(scrape, maxHeldBytes));
        if (held !== undefined) scrape.known.found(isStreamable(held) ? 'sorted' : 'other');
        return { scrape, held };
      }),
    );
    tellFailures(scrapes);
    const failures = scrapes.flatMap(({ failure }) => failure ?? []);
    if (failures.length === scrapes.length) {
      const isLate = failures.every(({ reason }) => reason === 'timeout');
      throw new UpstreamError('no upstream gave an exposition', isLate ? 504 : 502);
    }
    const slice = new TimeSlice().begin();
    const families = await joined(all, slice, onLeftOut);
    // Which of two metrics then is served depends on what comes later.
    if (families.haveNamesInCommon) for (const member of known) member.found('other');
    return wholeOrStreamed(contentType, mergedBody(families.values(), slice, onLeftOut));
  }

  async function* sorted(scrapes: readonly MemberScrape[]): AsyncGenerator<Buffer, Buffer, undefined> {
    const present = scrapes.filter(({ failure }) => failure === undefined);
    tellFailures(scrapes);
    try {
      const status = (): string => statusText(scrapes);
      return yield* sortedBody(present, ownNames, onLeftOut, status);
    } finally {
      tellFailures(present, scrapesReadWhole);
    }
  }

  return {
    contentType: () => contentType,
    async render(request) {
      const waitMs = Math.min(timeoutMs, workingMs(request));
      const scrapes = known.map((member) => new MemberScrape(member, request, waitMs, maxHeldBytes));
      try {
        const mayBeSorted = areApart && known.every(({ last }) => last !== 'other');
        if (!mayBeSorted || !(await readAhead(scrapes))) return await heldWhole(scrapes);
        return await wholeOrStreamed(contentType, sorted(scrapes));
      } catch (error) {
        for (const scrape of scrapes) scrape.close();
        throw error;
      }
    },
  };
}

async function readWhole(scrape: MemberScrape, maxHeldBytes: number): Promise<HeldExposition> {
  if (!scrape.hasBegun) await scrape.open();
  return new HeldExposition(maxHeldBytes, AddedLabels.of(scrape.member.labels)).read(scrape.parts());
}

/** Whether it can be merged without looking at what it has before and behind. */
function isStreamable(held: HeldExposition): boolean {
  const { families, hasRenamedLabels } = held;
  return families.areSorted && !hasRenamedLabels && !ownNames.some((name) => families.has(name));
}

async function joined(
  all: readonly { readonly scrape: MemberScrape; readonly held: HeldExposition | undefined }[],
  slice: TimeSlice,
  onLeftOut: (leftOut: LeftOut) => void,
): Promise<MergedFamilies> {
  const families = new MergedFamilies(onLeftOut);
  // First, so that no member can contradict it.
  const status = await statusOf(all.map(({ scrape }) => scrape));
  for (const family of status.families.all) families.add({ name: 'this filter' }, status, family);
  for (const { scrape, held } of all) {
    if (held === undefined) continue;
    for (const family of held.families.all) {
      families.add(scrape.member, held, family);
      if (slice.isOver) await slice.rest();
    }
  }
  if (all.every(({ held }) => held?.families.areSorted !== false)) await runInSlices(families.sort(), slice);
  families.moveToEnd(ownNames);
  return families;
}

/** How each member was scraped, as an exposition of its own: `up` as Prometheus has it of its targets. */
function statusOf(scrapes: readonly MemberScrape[]): Promise<HeldExposition> {
  const text = Buffer.from(statusText(scrapes));
  return new HeldExposition(Infinity).read(readTextFormat([text], { format: 'text' }));
}

function statusText(scrapes: readonly MemberScrape[]): string {
  const lines = [
    `# HELP ${up} Whether the upstream's exposition is part of this scrape.`,
    `# TYPE ${up} gauge`,
    ...scrapes.map(
      ({ member, failure }) => `${up}{upstream="${member.name}"} ${failure === undefined ? 1 : 0}`,
    ),
    `# HELP ${seconds} Time until the upstream's exposition was read, or failed, in seconds.`,
    `# TYPE ${seconds} gauge`,
    ...scrapes.map((scrape) => `${seconds}{upstream="${scrape.member.name}"} ${scrape.seconds.toFixed(6)}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
