import { MalformedError } from './kubernetes-errors.js';

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

/** The members of an object, of types not yet checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** Readers of parsed JSON, whose `what` is what the problem calls the value. They throw what `faultOf` makes of it. */
export function readers(faultOf: (problem: string) => Error) {
  function fieldsOf(value: unknown, what: string): Fields {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
    throw faultOf(`${what} is no object`);
  }
  /** None where there is no list. */
  function listOf(value: unknown, what: string): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    throw faultOf(`${what} is no list`);
  }
  function stringOf(value: unknown, what: string): string {
    if (typeof value === 'string') return value;
    throw faultOf(`${what} holds what is no string`);
  }
  function nonEmptyStringOf(value: unknown, what: string): string {
    const text = stringOf(value, what);
    if (text === '') throw faultOf(`${what} is empty`);
    return text;
  }
  function stringsOf(value: unknown, what: string): readonly string[] {
    return listOf(value, what).map((item) => stringOf(item, what));
  }
  return { fieldsOf, listOf, stringOf, nonEmptyStringOf, stringsOf };
}

/** Of objects that an API server sends. They throw MalformedError. */
export const ofObjects = readers((problem) => new MalformedError(problem));

/** Tells the objects of a list apart. */
export type ObjectKey = (object: unknown) => string;

export const byName: ObjectKey = (object) => stringMember(object, 'metadata', 'name') ?? '';

export function namespaceOf(object: unknown): string | undefined {
  return stringMember(object, 'metadata', 'namespace');
}

/** Of a kind that stands in namespaces. */
export const byNamespaceAndName: ObjectKey = (object) => `${namespaceOf(object) ?? ''}/${byName(object)}`;

/** Where kcp says in which logical cluster an object stands: names repeat in each. */
export const clusterAnnotation = 'kcp.io/cluster';

export function clusterOf(object: unknown): string | undefined {
  return stringMember(object, 'metadata', 'annotations', clusterAnnotation);
}

/** In a list of many logical clusters. */
export const byClusterAndName: ObjectKey = (object) => `${clusterOf(object) ?? ''}|${byName(object)}`;
