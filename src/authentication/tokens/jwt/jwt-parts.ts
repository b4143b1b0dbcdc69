/** More than any service account or OpenID provider's token that fits into a header. */
export const maxTokenBytes = 64 * 1024;
/** Members, lists and objects of unverified claims, nested ones included: far more than any issuer writes. */
const maxParts = 1024;

const nothing = Object.freeze({ issuer: undefined, expires: undefined });
// A byte order mark is kept: JSON never begins with one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * What an unverified token in JWS compact serialization (RFC 7515) says of itself, only to choose who verifies it:
 * `iss`, and `exp` in seconds since the epoch. Empty for anything else. Never throws.
 */
export function unverifiedClaims(token: string) {
  if (token.length > maxTokenBytes) return nothing;
  const parts = token.split('.', 4);
  const [, payload] = parts;
  if (parts.length !== 3 || payload === undefined) return nothing;
  try {
    const text = Buffer.from(payload, 'base64url').toString('utf8');
    if (jsonParts(text).parts > maxParts) return nothing;
    const claims: unknown = JSON.parse(text);
    if (!isObject(claims)) return nothing;
    const { iss, exp } = claims as { readonly iss?: unknown; readonly exp?: unknown };
    return {
      issuer: typeof iss === 'string' ? iss : undefined,
      expires: typeof exp === 'number' && Number.isFinite(exp) ? exp : undefined,
    };
  } catch {
    return nothing;
  }
}

/** The bytes of base64url without padding (RFC 7515, section 2); undefined for any other spelling of them. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/**
 * A JSON object in UTF-8 without duplicate members: readers differ in which one counts (RFC 7519, section 4). Objects
 * have no prototype, so any name found was in the text. With more than `maxParts` (jsonParts; default: any number) it
 * is refused unparsed. A string says what is wrong.
 */
export function readJsonObject(
  bytes: Uint8Array,
  maxParts = Infinity,
): Readonly<Record<string, unknown>> | string {
  let members: number;
  let value: unknown;
  try {
    const text = utf8.decode(bytes);
    const written = jsonParts(text);
    if (written.parts > maxParts) return 'has too many parts';
    members = written.members;
    value = JSON.parse(text);
  } catch {
    return 'is no JSON object';
  }
  if (!isObject(value) || Array.isArray(value)) return 'is no JSON object';
  // Of two members with one name, even if escaped differently, the parser keeps one.
  if (membersIn(value) !== members) return 'names a member twice';
  return Object.freeze(Object.assign(Object.create(null) as Record<string, unknown>, value));
}

/** Members of the value, nested ones included. Not recursive: 64 KiB may nest deeper than the stack. */
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

/**
 * Counts the members, lists and objects of valid JSON: each member has one colon outside of strings. Unverified JSON is
 * counted before it is parsed, since thousands of parts fit into a header and take a hundred times longer to parse than
 * to count.
 */
function jsonParts(text: string): { readonly members: number; readonly parts: number } {
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
