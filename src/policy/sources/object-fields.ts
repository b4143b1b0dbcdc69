/** An object that an API server sent and that cannot be read as what it was asked for. */
export class MalformedObjectError extends Error {
  override readonly name = 'MalformedObjectError';
  readonly code = 'ERR_MALFORMED_OBJECT';
}

/** Of an object whose shape nobody has looked at. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws MalformedObjectError, as all of these do; `what` is what its message calls the value. */
export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new MalformedObjectError(`${what} is no object`);
}

/** None where there is no list. */
export function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new MalformedObjectError(`${what} is no list`);
}

export function stringsOf(value: unknown, what: string): readonly string[] {
  return listOf(value, what).map((item) => stringOf(item, what));
}

export function stringOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new MalformedObjectError(`${what} is no string`);
}

export function nonEmptyStringOf(value: unknown, what: string): string {
  const text = stringOf(value, what);
  if (text === '') throw new MalformedObjectError(`${what} is empty`);
  return text;
}
