import { kindOf } from '../flag-kind.js';
import { splitList, type Flag } from '../flags.js';
import { isMap, patterns, wordsBeside } from './fields.js';

/** Throws; `item` is the place in a list, from 0. */
export type FieldFail = (fault: string, item?: number) => never;

const text = new RegExp(patterns.text, 'u');
const pairName = new RegExp(patterns.pairName, 'u');
const duration = new RegExp(patterns.duration, 'u');
/** Of a value that is shown. */
const maxShown = 64;

/** What the flag would have been given. The schema allows the same: see `schema.ts`. */
export function flagValueOf(flag: Flag, value: unknown, fail: FieldFail): string | readonly string[] {
  if (flag.isList !== true) return oneOf(flag, value, fail);
  if (typeof value === 'string') return splitList(flag, textOf(value, fail));
  const values =
    isMap(flag) && isObject(value)
      ? Object.entries(value).map(([name, of]) => pairOf(name, of, fail))
      : Array.isArray(value)
        ? value.map((item: unknown, at) => oneOf(flag, item, (fault) => fail(fault, at)))
        : fail(isMap(flag) ? 'must be a map, a list or a string' : 'must be a list or a string');
  // Whoever writes "none" means none; without the field, such a flag means all.
  if (values.length === 0 && flag.default === undefined) return fail('is empty: leave it out');
  return values;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf(flag: Flag, value: unknown, fail: FieldFail): string {
  const kind = kindOf(flag);
  switch (kind) {
    case 'boolean':
      return booleanOf(flag, value, fail);
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value);
      return fail('must be a whole number that is not negative, without quotes');
    case 'duration':
      if (typeof value === 'string' && duration.test(value)) return value;
      return fail('must be a duration such as 30s, 10m or 1h30m');
    case 'file':
    case 'directory':
    case 'pair':
    case 'text':
      return choiceOf(flag, textOf(value, fail), fail);
  }
}

function booleanOf(flag: Flag, value: unknown, fail: FieldFail): string {
  const words = wordsBeside(flag);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string' && words.includes(value)) return value;
  return fail(`must be ${['true', 'false', ...words].join(' or ')}, without quotes`);
}

function choiceOf({ choices }: Flag, value: string, fail: FieldFail): string {
  if (choices === undefined || choices.includes(value)) return value;
  const shown = value.length > maxShown ? `${value.slice(0, maxShown)}…` : value;
  return fail(`${JSON.stringify(shown)} is not one of ${choices.join(', ')}`);
}

function pairOf(name: string, value: unknown, fail: FieldFail): string {
  if (!pairName.test(name)) return fail('a name in it is empty or holds = or a control character');
  return `${name}=${textOf(value, fail)}`;
}

function textOf(value: unknown, fail: FieldFail): string {
  if (typeof value === 'number' || typeof value === 'boolean')
    return fail('must be a string: put it in quotes');
  if (typeof value !== 'string') return fail('must be a string');
  return text.test(value) ? value : fail('holds a control character');
}
