import { isUtf8 } from 'node:buffer';

/** What a line of JSON says; undefined for one that is none. */
export function parseLine(line: Buffer): unknown {
  if (!isUtf8(line)) return undefined;
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}

/** Whether a parsed value is what it has to be. */
export type Check = (value: unknown) => boolean;

export const isString: Check = (value) => typeof value === 'string';
export const isBoolean: Check = (value) => typeof value === 'boolean';
/** Milliseconds since the epoch. */
export const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
export const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

export function isOneOf(...words: readonly string[]): Check {
  return (value) => typeof value === 'string' && words.includes(value);
}

export function isListOf(isItem: Check): Check {
  return (value) => Array.isArray(value) && value.every(isItem);
}

/** An object with every required field, any of the optional ones, and no other. */
export function isRecordOf(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): Check {
  const checks = new Map(Object.entries({ ...required, ...optional }));
  const requiredNames = Object.keys(required);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    requiredNames.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(([name, field]) => checks.get(name)?.(field) ?? false);
}
