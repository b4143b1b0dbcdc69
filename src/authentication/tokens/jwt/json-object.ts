export type JsonObject = Readonly<Record<string, unknown>>;

export type JsonObjectReading =
  | { readonly kind: 'object'; readonly members: JsonObject }
  | {
      readonly kind: 'refused';
      readonly reason: 'is no JSON object' | 'names a member twice' | 'has too many parts';
    };

// A byte order mark stays what it is: no JSON begins with one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const noObject: JsonObjectReading = Object.freeze({ kind: 'refused', reason: 'is no JSON object' });
const tooMany: JsonObjectReading = Object.freeze({ kind: 'refused', reason: 'has too many parts' });
const named: JsonObjectReading = Object.freeze({ kind: 'refused', reason: 'names a member twice' });

/**
 * A JSON object in UTF-8, in which no object names a member twice: readers differ in which of the two counts
 * (RFC 7519, section 4). The members have no prototype, so that whatever name is looked up was written there.
 * With more parts than `maxParts` (jsonParts) it is refused unread; default: any number.
 */
export function readJsonObject(bytes: Uint8Array, maxParts = Infinity): JsonObjectReading {
  let written: JsonParts;
  let value: unknown;
  try {
    const text = utf8.decode(bytes);
    written = jsonParts(text);
    if (written.parts > maxParts) return tooMany;
    value = JSON.parse(text);
  } catch {
    return noObject;
  }
  if (!isObject(value) || Array.isArray(value)) return noObject;
  // Of two members with one name, however it is escaped, the parser keeps one.
  if (membersIn(value) !== written.members) return named;
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
const [openingBracket, openingBrace] = [0x5b, 0x7b];

export interface JsonParts {
  readonly members: number;
  /** Members, lists and objects. */
  readonly parts: number;
}

/**
 * What valid JSON is made of: each member brings one colon that stands in no string. A stranger's is counted before
 * it is parsed, since thousands of parts fit into a header, and take a hundred times longer to make than to count.
 */
export function jsonParts(text: string): JsonParts {
  let members = 0;
  let containers = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) isInString = !isInString;
    else if (isInString) at += code === backslash ? 1 : 0;
    else if (code === colon) members += 1;
    else if (code === openingBracket || code === openingBrace) containers += 1;
  }
  return { members, parts: members + containers };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
