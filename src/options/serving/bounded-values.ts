import { parseDuration } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';

/** A whole number from `least` to `most`. @throws UsageError naming the flag. */
export function boundedCountOf(values: FlagValues, flag: Flag, least: number, most: number): number {
  const text = valueOf(values, flag) ?? '';
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count >= least && count <= most) return count;
  throw new UsageError(`${flag.name}: ${JSON.stringify(text)} is not a number from ${least} to ${most}`);
}

/** Durations as flags take them, so that a message can repeat them. */
export interface DurationBounds {
  readonly least: string;
  readonly most: string;
}

/** In ms. @throws UsageError naming the flag. */
export function boundedDurationOf(values: FlagValues, flag: Flag, { least, most }: DurationBounds): number {
  const text = valueOf(values, flag) ?? '';
  const milliseconds = parseDuration(flag.name, text);
  if (milliseconds >= parseDuration(flag.name, least) && milliseconds <= parseDuration(flag.name, most)) {
    return milliseconds;
  }
  throw new UsageError(`${flag.name}: ${JSON.stringify(text)} is not between ${least} and ${most}`);
}
