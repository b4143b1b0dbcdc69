/** Who a warrant lets its holder act as, besides himself. */
export interface Warrant {
  readonly user: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/**
 * Reads one value of `authorization.kcp.io/warrant`. Keys are case-sensitive, unknown ones are ignored;
 * undefined for bad JSON or a field of the wrong type, as kcp ignores such a warrant.
 */
export function parseWarrant(text: string): Warrant | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Go decodes null into the zero value.
  if (value === null) return { user: '', groups: [], extra: {} };
  if (typeof value !== 'object' || Array.isArray(value)) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const user = textOf(fields.get('user'));
  const uid = textOf(fields.get('uid'));
  const groups = texts(fields.get('groups'));
  const extra = textLists(fields.get('extra'));
  return user === undefined || uid === undefined || groups === undefined || extra === undefined
    ? undefined
    : { user, groups, extra };
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : undefined;
}

function texts(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return undefined;
  const list: string[] = [];
  for (const item of value as unknown[]) {
    const text = textOf(item);
    if (text === undefined) return undefined;
    list.push(text);
  }
  return list;
}

function textLists(value: unknown): Readonly<Record<string, readonly string[]>> | undefined {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) return undefined;
  const lists: [string, readonly string[]][] = [];
  for (const [key, item] of Object.entries(value)) {
    const list = texts(item);
    if (list === undefined) return undefined;
    lists.push([key, list]);
  }
  return Object.fromEntries(lists);
}
