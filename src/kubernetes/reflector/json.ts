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
