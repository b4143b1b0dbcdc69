/** Objects, events and lists as an API server writes them, reduced to what a reflector reads. */

export interface Item {
  readonly name: string;
  readonly value: string;
}

export function objectOf(name: string, resourceVersion: string | number, value = name, uid?: string): object {
  return { metadata: { name, resourceVersion: String(resourceVersion), uid }, value };
}

/** What the tests' reflectors make of an object. */
export function decodeItem(object: unknown): Item {
  const { metadata, value } = object as { metadata: { name: string }; value: string };
  if (value === 'unreadable') throw new TypeError(`${metadata.name} is\nunreadable`);
  return { name: metadata.name, value };
}

export function eventOf(
  type: 'ADDED' | 'MODIFIED' | 'DELETED',
  name: string,
  resourceVersion: string | number,
  value = name,
  uid?: string,
): string {
  return line({ type, object: objectOf(name, resourceVersion, value, uid) });
}

export function bookmark(resourceVersion: string | number): string {
  return line({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(resourceVersion) } } });
}

/** The bookmark behind a watch-list's initial events. */
export function initialEventsEnd(resourceVersion: string | number): string {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return line({
    type: 'BOOKMARK',
    object: { metadata: { resourceVersion: String(resourceVersion), annotations } },
  });
}

export function statusOf(code: number, reason: string, more: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code, ...more };
}

export function errorEvent(code: number, reason: string, more: object = {}): string {
  return line({ type: 'ERROR', object: statusOf(code, reason, more) });
}

export function listOf(
  names: readonly string[],
  resourceVersion: string | number,
  more: { readonly continue?: string } = {},
): object {
  return {
    kind: 'List',
    apiVersion: 'v1',
    metadata: { resourceVersion: String(resourceVersion), ...more },
    items: names.map((name) => objectOf(name, 1)),
  };
}

export function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** More than a page has, `a` first: too many to be listed anew where a watch can be resumed. */
export const manyNames: readonly string[] = Array.from({ length: 501 }, (_, at) =>
  at === 0 ? 'a' : `b${at}`,
);
