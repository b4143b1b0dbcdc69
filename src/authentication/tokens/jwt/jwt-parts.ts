/** Longer than any token of a service account or an OpenID provider that fits into a header. */
export const maxTokenBytes = 64 * 1024;
/** Members, lists and objects of unverified claims, nested ones included: far above what any issuer writes. */
const maxParts = 1024;

/** What a token says of itself before anything of it is verified: good to find who is to verify it. */
interface UnverifiedClaims {
  readonly issuer?: string | undefined;
  /** `exp`, in seconds since the epoch. */
  readonly expires?: number | undefined;
}

const nothing: UnverifiedClaims = Object.freeze({});
// A byte order mark stays what it is: no JSON begins with one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The claims of a token in JWS compact serialization (RFC 7515); nothing of anything else. Never throws. */
export function unverifiedClaims(token: string): UnverifiedClaims {
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
 * A JSON object in UTF-8, in which no object names a member twice: readers differ in which of the two counts
 * (RFC 7519, section 4). The members have no prototype, so that whatever name is looked up was written there.
 * With more parts than `maxParts` (jsonParts) it is refused unread; default: any number. A string says what is wrong.
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
  // Of two members with one name, however it is escaped, the parser keeps one.
  if (membersIn(value) !== members) return 'names a member twice';
  return Object.freeze(Object.assign(Object.create(null) as Record<string, unknown>, value));
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

/**
 * What valid JSON is made of (`parts`: members, lists and objects): each member brings one colon that stands in no
 * string. A stranger's is counted before it is parsed, since thousands of parts fit into a header, and take a hundred
 * times longer to make than to count.
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
