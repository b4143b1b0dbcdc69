import { readFileSync, statSync } from 'node:fs';
import { isGiven, listOf, type Flag, type FlagValues } from './flags.js';
import { UsageError, usageError } from './usage-error.js';

/** Larger than any bundle or token file that a person wrote. */
const maxFileBytes = 16 * 1024 * 1024;

/** Kubernetes' boolean flags: `--flag`, `--flag=true`, `--flag=false`. */
export function parseBoolean(flag: string, value: string | true): boolean {
  if (value === true || value === 'true') return true;
  if (value === 'false') return false;
  throw new UsageError(`${flag}: ${JSON.stringify(value)} is not true or false`);
}

export function parsePort(flag: string, value: string): number {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) {
    throw new UsageError(`${flag}: ${JSON.stringify(value)} is not a port (0 to 65535; 0 takes a free one)`);
  }
  return port;
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A Go duration (`1h30m`, `90s`, `500ms`) in ms. */
export function parseDuration(flag: string, value: string): number {
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  const isWhole = parts.map(([part]) => part).join('') === value;
  if (parts.length === 0 || !isWhole) {
    throw new UsageError(`${flag}: ${JSON.stringify(value)} is not a duration such as 30s, 10m or 1h30m`);
  }
  return parts.reduce((sum, [, count = '', unit = '']) => sum + Number(count) * (unitMs[unit] ?? 0), 0);
}

/** Reads a file that a flag names, whole. */
export function readFlagFile(flag: string, file: string): string {
  try {
    const { size } = statSync(file);
    if (size > maxFileBytes) throw new RangeError(`${file} is larger than ${maxFileBytes} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(flag, error);
  }
}

/** One of a few words. */
export function parseChoice<Choice extends string>(
  flag: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new UsageError(`${flag}: ${JSON.stringify(value)} is not one of ${choices.join(', ')}`);
  }
  return found;
}

/**
 * The names in a list, without blanks around them and without empty ones, as a list in a shell variable may have them.
 *
 * @throws UsageError where it is given and there is none, as in an unset variable: what is to say who may must not come to
 * mean everybody.
 */
export function namesOf(values: FlagValues, flag: Flag): readonly string[] {
  const names = listOf(values, flag)
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0 && isGiven(values, flag)) {
    throw new UsageError(`${flag.name}: is given, and names nothing: leave it out, or name some`);
  }
  return names;
}
