import { describe, expect, it } from 'vitest';
import type { Sample } from './process-figures.js';
import { table, verdictsOf, type Figures } from './verdicts.js';

const steady = (from: number, to: number): readonly Sample[] =>
  Array.from({ length: 30 }, (_, at) => {
    const value = from + ((to - from) * at) / 29;
    return { at, residentMebibytes: value, descriptors: Math.round(value), processorMs: 0 };
  });
const good: Figures = {
  scrapes: 1_000,
  wrong: 0,
  failed: 0,
  granted: 0,
  quietMs: Array.from({ length: 100 }, () => 20),
  stormMs: Array.from({ length: 100 }, () => 39),
  bareQuietMs: [5],
  bareStormMs: [4],
  samples: steady(100, 110),
  quietDescriptors: 40,
  descriptorsAfter: 42,
  secrets: 100,
  searchedMebibytes: 12,
  secretsTold: 0,
};

describe('the soak', () => {
  it('is passed by figures within their bounds', () => {
    expect(verdictsOf(good).filter(({ isMet }) => !isMet)).toEqual([]);
  });

  const rows: readonly (readonly [what: string, Partial<Figures>])[] = [
    ['wrong answers', { wrong: 1 }],
    ['failed scrapes of those who are allowed', { failed: 1 }],
    ['bad clients that were given anything', { granted: 1 }],
    ['p99 of served scrapes, quiet and in the storm', { stormMs: Array.from({ length: 100 }, () => 41) }],
    ['p99 of served scrapes, quiet and in the storm', { stormMs: [] }],
    ['descriptors, quiet before and quiet after', { descriptorsAfter: 49 }],
    ['descriptors, medians of the first and the last third', { samples: steady(100, 130) }],
    ['secrets told', { secretsTold: 1 }],
  ];
  it.each(rows)('is failed by %s: %o', (what, otherwise) => {
    const failed = verdictsOf({ ...good, ...otherwise }).filter(({ isMet }) => !isMet);
    expect(failed.map((verdict) => verdict.what)).toEqual([what]);
  });

  it('asks no more of the filter than the machine lets a bare server have', () => {
    const stormMs = Array.from({ length: 100 }, () => 50);
    expect(verdictsOf({ ...good, stormMs, bareStormMs: [10] }).every(({ isMet }) => isMet)).toBe(true);
  });

  it('is failed by memory that grows', () => {
    const failed = verdictsOf({ ...good, samples: steady(100, 200) }).map(({ what, isMet }) => isMet || what);
    expect(failed).toContain('memory, medians of the first and the last third');
  });

  it('marks in its table what is not met', () => {
    expect(table(verdictsOf({ ...good, wrong: 3 }))).toMatch(
      /^✗ {2}wrong answers +3 of 1000 scrapes +none\n✓/,
    );
  });
});
