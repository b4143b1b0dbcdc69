/** A request target (RFC 9112, section 3.2), reduced to what decides: its decoded path and its raw query. */
interface RequestTarget {
  /** Percent-decoded once; always begins with `/`. */
  readonly path: string;
  /** As sent, with its leading `?`; empty when there is none. */
  readonly query: string;
}

const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\\]*)/i;
const plainPath = /^[\x21-\x24\x26-\x7e]*$/;
const beyondLatin1 = /[^\0-\xff]/;
const percentSign = 0x25;
const hexPair = /%([0-9a-f]{2})/gi;
const brokenEscape = /%(?![0-9a-f]{2})/i;

/** Drops scheme and authority, so that an absolute-form target names no path that the application reads otherwise. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const prefix = absoluteForm.exec(target)?.[0];
  if (prefix === undefined) return target;
  const rest = target.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Returns undefined when the target has no path (`*`, authority-form) or holds a broken escape. */
export function parseRequestTarget(target: string): RequestTarget | undefined {
  const origin = originForm(target);
  if (!origin.startsWith('/')) return undefined;
  const queryAt = origin.indexOf('?');
  const rawPath = queryAt < 0 ? origin : origin.slice(0, queryAt);
  const path = percentDecode(rawPath);
  return path === undefined ? undefined : { path, query: queryAt < 0 ? '' : origin.slice(queryAt) };
}

/**
 * One pass of percent-decoding, read as UTF-8; bytes that are not UTF-8 become U+FFFD, which no name or path
 * that decides here contains. Undefined for a `%` without two hexadecimal digits.
 */
function percentDecode(raw: string): string | undefined {
  if (plainPath.test(raw)) return raw;
  // Node hands over raw bytes as Latin-1; anything beyond was put there by a program and is text already.
  const bytes = beyondLatin1.test(raw) ? Buffer.from(raw).toString('latin1') : raw;
  return brokenEscape.test(bytes) ? undefined : Buffer.from(unescaped(bytes), 'latin1').toString('utf8');
}

/** In bytes where that is possible: a function called for each of ten thousand escapes takes milliseconds. */
function unescaped(text: string): string {
  if (beyondLatin1.test(text))
    return text.replace(hexPair, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const bytes = Buffer.from(text, 'latin1');
  let to = 0;
  for (let at = 0; at < bytes.length; at += 1, to += 1) {
    const byte = bytes[at] ?? 0;
    const [high, low] = byte === percentSign ? [hexDigit(bytes[at + 1]), hexDigit(bytes[at + 2])] : [-1, -1];
    const isEscape = high >= 0 && low >= 0;
    bytes[to] = isEscape ? 16 * high + low : byte;
    if (isEscape) at += 2;
  }
  return bytes.toString('latin1', 0, to);
}

/** The value of a hexadecimal digit; -1 for any other byte. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

const unclean = /\/(?:\/|\.{1,2}(?:\/|$))/;

/**
 * The canonical spelling of a decoded path: no empty, `.` or `..` segment. A trailing slash is kept, because
 * `/version/` and `/version` are two paths to Kubernetes (and `/metrics/` is not `/metrics`).
 */
export function cleanPath(path: string): string {
  if (!unclean.test(path)) return path;
  const segments: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') segments.pop();
    else if (part !== '' && part !== '.') segments.push(part);
  }
  const cleaned = `/${segments.join('/')}`;
  return path.endsWith('/') && cleaned !== '/' ? `${cleaned}/` : cleaned;
}

/** A cleaned path as a Location header's value: with one slash first and no backslash, no browser reads a host. */
export function locationOf(cleanedPath: string, query: string): string {
  // encodeURIComponent, less the sub-delimiters and `:` and `@` that RFC 3986 allows in a segment, and `/`.
  const encoded = encodeURIComponent(cleanedPath.toWellFormed()).replace(
    /%(?:2F|3A|40|24|26|2B|2C|3B|3D)/g,
    decodeURIComponent,
  );
  // A raw query may carry bytes that no header value may.
  return encoded + query.toWellFormed().replace(/[^\x21-\x5b\x5d-\x7e]/gu, encodeURIComponent);
}

const shardLevel = /^(?:\/services\/cache(?=\/)|\/shards\/[^/]*|\/clusters\/[^/]*)*\/metrics(?:\/|$)/;
const shardLevelSegment = /\/metrics(?:\/|$)/;
const beyondAscii = /[^\0-\x7f]/;
/** Invisible characters and invalid UTF-8 can disguise a path. */
const invisible = /[\0-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff\ufffd\s]/g;
/** Besides any depth of `%25…`: an escape whose digits are escaped, and one of those. */
const decodings = 3;

/**
 * A target's path as the most lenient reader would understand it: decoded as often as it goes, backslashes as slashes,
 * without invisible characters and whatever follows `;`, `#` or an encoded `?` in a segment, in lower case. Proxies
 * decode twice, WHATWG URL parsers turn backslashes and drop tabs, servlet containers cut at `;`, legacy parsers at `#`,
 * routers ignore case. A stricter reader sees longer segments, but no dot segment, empty segment or name that is not in
 * this one. Linear in the target's length.
 */
export function laxestReading(target: string): string {
  const origin = originForm(target);
  const queryAt = origin.indexOf('?');
  let path = queryAt < 0 ? origin : origin.slice(0, queryAt);
  for (let round = 0; round < decodings && path.includes('%'); round += 1) {
    path = unescaped(path.replace(/%(?:25)+/g, '%'));
  }
  // Bytes, raw or decoded, of what is mostly UTF-8.
  if (beyondAscii.test(path) && !beyondLatin1.test(path)) path = Buffer.from(path, 'latin1').toString('utf8');
  const visible = path.replaceAll('\\', '/').replace(invisible, '');
  return visible.replace(/[;#?][^/]*/g, '').toLowerCase();
}

/** Whether no reader finds an empty, `.` or `..` segment in it, and with it another path. */
export function isCanonicalReading(reading: string): boolean {
  return cleanPath(reading) === reading;
}

/**
 * Whether some reader behind might take the target for a shard-level path although it is none. Where segments may be
 * resolved away, one of that name anywhere is enough. Only ever used to refuse, so it is generous.
 */
export function looksShardLevel(target: string, reading = laxestReading(target)): boolean {
  const pattern = isCanonicalReading(reading) ? shardLevel : shardLevelSegment;
  return pattern.test(reading) || isShardLevelHost(target, reading);
}

/**
 * A reader that normalizes or decodes an absolute-form target whole takes its host for one or several segments. Where the
 * host is empty, URL parsers take the first segment for it.
 */
function isShardLevelHost(target: string, reading: string): boolean {
  const host = target.startsWith('/') ? undefined : absoluteForm.exec(target)?.[1];
  if (host === undefined) return false;
  return shardLevelSegment.test(host === '' ? reading : laxestReading(`/${host}`));
}

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const named: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const plainText = /^[ !#-[\]-~]*$/;

/** A string as Go's `%q` prints it, which is how Kubernetes puts names into messages. */
export function goQuote(text: string): string {
  if (plainText.test(text)) return `"${text}"`;
  let quoted = '';
  for (const character of text.toWellFormed()) quoted += named[character] ?? escapeUnprintable(character);
  return `"${quoted}"`;
}

function escapeUnprintable(character: string): string {
  if (printable.test(character)) return character;
  const code = character.codePointAt(0) ?? 0xfffd;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
