export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** By nearest rank; all of them are NaN where there are no values. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Of durations in ms: `p50 1.2 ms, p99 3.4 ms, max 5.6 ms (of 100)`. */
export function inWords({ count, p50, p99, max }: Percentiles): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)} (of ${count})`;
}

/** A line for whoever reads the run: what was measured, where no test can demand a number. */
export function printFigure(line: string): void {
  process.stdout.write(`${line}\n`);
}
