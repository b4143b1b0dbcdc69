export type JsonObject = Readonly<Record<string, unknown>>;

export type JsonObjectReading =
  | { readonly kind: 'object'; readonly members: JsonObject }
  | { readonly kind: 'refused'; readonly reason: 'is no JSON object' | 'names a member twice' };

// A byte order mark stays what it is: no JSON begins with one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const noObject: JsonObjectReading = Object.freeze({ kind: 'refused', reason: 'is no JSON object' });
const named: JsonObjectReading = Object.freeze({ kind: 'refused', reason: 'names a member twice' });

/**
 * A JSON object in UTF-8, in which no object names a member twice: readers differ in which of the two counts
 * (RFC 7519, section 4). The members have no prototype, so that whatever name is looked up was written there.
 */
export function readJsonObject(bytes: Uint8Array): JsonObjectReading {
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(bytes);
    value = JSON.parse(text);
  } catch {
    return noObject;
  }
  if (!isObject(value) || Array.isArray(value)) return noObject;
  // Of two members with one name, however it is escaped, the parser keeps one.
  if (membersIn(value) !== membersWritten(text)) return named;
  const members = Object.assign(Object.create(null) as Record<string, unknown>, value);
  return { kind: 'object', members: Object.freeze(members) };
}

/** Members of the value and of all that is in it. Not recursive: 64 KiB may nest deeper than the stack. */
function membersIn(value: object): number {
  let count = 0;
  const open: object[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const children: readonly unknown[] = Object.values(next);
    if (!Array.isArray(next)) count += children.length;
    for (const child of children) if (isObject(child)) open.push(child);
  }
  return count;
}

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];

/** In valid JSON each member brings one colon that stands in no string. */
function membersWritten(text: string): number {
  let count = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) isInString = !isInString;
    else if (!isInString) count += code === colon ? 1 : 0;
    else if (code === backslash) at += 1;
  }
  return count;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
