import { percentiles } from '../e2e/figures.js';
import type { Sample } from './process-figures.js';

/** All that was measured, by phase: quiet, with nobody but the scrapers, and then the storm. */
export interface Figures {
  readonly scrapes: number;
  readonly wrong: number;
  readonly failed: number;
  /** Bad clients that got what they must not get. */
  readonly granted: number;
  /** Of honest scrapes that were served (ms). */
  readonly quietMs: readonly number[];
  readonly stormMs: readonly number[];
  /** The same of a bare server, which nobody storms. */
  readonly bareQuietMs: readonly number[];
  readonly bareStormMs: readonly number[];
  /** Without the warm-up. */
  readonly samples: readonly Sample[];
  /** When the bad clients are gone. */
  readonly quietDescriptors: number;
  readonly descriptorsAfter: number;
  readonly secrets: number;
  readonly searchedMebibytes: number;
  readonly secretsTold: number;
}

export interface Verdict {
  readonly what: string;
  readonly figures: string;
  readonly bound: string;
  readonly isMet: boolean;
}

const maxSlowdown = 2;
/** Below this a p99 is the machine's and the clients', not the filter's (ms). */
const noiseMs = 10;
/** Memory may grow by a tenth and by what a collection more or less leaves; in one minute it is still warming up (40 MiB seen). */
const memoryGrowth = { share: 1.1, mebibytes: 48 };
const descriptorGrowth = 16;
const descriptorsLeft = 8;

export function verdictsOf(figures: Figures): readonly Verdict[] {
  const { samples, secrets, searchedMebibytes, quietDescriptors, descriptorsAfter } = figures;
  const quiet = percentiles(figures.quietMs);
  const storm = percentiles(figures.stormMs);
  // What else the machine does meanwhile is none of the filter's doing.
  const machineMs = Math.max(0, percentiles(figures.bareStormMs).p99 - percentiles(figures.bareQuietMs).p99);
  const mostMs = maxSlowdown * (Math.max(quiet.p99, noiseMs) + machineMs);
  const memory = growthOf(samples, ({ residentMebibytes }) => residentMebibytes);
  const mostMebibytes = memory.first * memoryGrowth.share + memoryGrowth.mebibytes;
  const descriptors = growthOf(samples, (sample) => sample.descriptors);
  const none = (what: string, count: number, of: string): Verdict => ({
    what,
    figures: `${count} of ${of}`,
    bound: 'none',
    isMet: count === 0,
  });
  return [
    none('wrong answers', figures.wrong, `${figures.scrapes} scrapes`),
    none('failed scrapes of those who are allowed', figures.failed, `${figures.scrapes} scrapes`),
    {
      ...none('bad clients that were given anything', figures.granted, 'them'),
      figures: `${figures.granted}`,
    },
    {
      what: 'p99 of served scrapes, quiet and in the storm',
      figures: `${quiet.p99.toFixed(1)} ms, ${storm.p99.toFixed(1)} ms (p50 ${quiet.p50.toFixed(1)}, ${storm.p50.toFixed(1)}); a bare server + ${machineMs.toFixed(1)} ms`,
      bound: `${mostMs.toFixed(1)} ms`,
      isMet: storm.p99 <= mostMs,
    },
    {
      what: 'memory, medians of the first and the last third',
      figures: `${memory.first.toFixed(0)} MiB, ${memory.last.toFixed(0)} MiB`,
      bound: `${mostMebibytes.toFixed(0)} MiB`,
      isMet: memory.last <= mostMebibytes,
    },
    {
      what: 'descriptors, medians of the first and the last third',
      figures: `${descriptors.first}, ${descriptors.last}`,
      bound: `${descriptors.first + descriptorGrowth}`,
      isMet: descriptors.last <= descriptors.first + descriptorGrowth,
    },
    {
      what: 'descriptors, quiet before and quiet after',
      figures: `${quietDescriptors}, ${descriptorsAfter}`,
      bound: `${quietDescriptors + descriptorsLeft}`,
      isMet: descriptorsAfter <= quietDescriptors + descriptorsLeft,
    },
    none(
      'secrets told',
      figures.secretsTold,
      `${secrets}, searched for in ${searchedMebibytes.toFixed(0)} MiB of output`,
    ),
  ];
}

/** One line each, in columns. */
export function table(verdicts: readonly Verdict[]): string {
  const width = (column: 'what' | 'figures' | 'bound'): number =>
    Math.max(...verdicts.map((verdict) => verdict[column].length));
  const widths = { what: width('what'), figures: width('figures'), bound: width('bound') };
  return verdicts
    .map(({ what, figures, bound, isMet }) =>
      [
        isMet ? '✓' : '✗',
        what.padEnd(widths.what),
        figures.padEnd(widths.figures),
        `at most ${bound}`.replace('at most none', 'none'),
      ].join('  '),
    )
    .join('\n');
}

function growthOf(
  samples: readonly Sample[],
  valueOf: (sample: Sample) => number,
): { readonly first: number; readonly last: number } {
  const third = Math.ceil(samples.length / 3);
  const medianOf = (some: readonly Sample[]): number => percentiles(some.map(valueOf)).p50;
  return { first: medianOf(samples.slice(0, third)), last: medianOf(samples.slice(-third)) };
}
