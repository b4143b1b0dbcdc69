import { MalformedError } from '../kubernetes-errors.js';

/** @throws MalformedError that quotes nothing, unlike JSON.parse's own. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedError('not JSON');
  }
}

/** A member of parsed JSON, as deep as `keys` lead; undefined where there is none. */
export function member(value: unknown, ...keys: readonly string[]): unknown {
  let found = value;
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  return found;
}

/** The same, where it is a string that is not empty. */
export function stringMember(value: unknown, ...keys: readonly string[]): string | undefined {
  const found = member(value, ...keys);
  return typeof found === 'string' && found !== '' ? found : undefined;
}
