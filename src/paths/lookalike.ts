import { cleanPath } from './clean-path.js';
import { originForm } from './request-target.js';

const shardLevel = /^(?:\/services\/cache(?=\/)|\/shards\/[^/]*|\/clusters\/[^/]*)*\/metrics(?:\/|$)/;
const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\\]*)/i;
const shardLevelSegment = /\/metrics(?:\/|$)/;
const hexPair = /%([0-9a-f]{2})/gi;
const beyondAscii = /[^\0-\x7f]/;
const beyondLatin1 = /[^\0-\xff]/;
// Invisible characters, and bytes that are no characters, are what hides a path.
const invisible = /[\0-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff\ufffd\s]/g;
/** Beside any depth of `%25…`: an escape whose digits are escaped, and one of those. */
const decodings = 3;

/**
 * What is left of a target's path when every reader has had a turn: decoded as often as it goes, backslashes as slashes,
 * without what is invisible or follows `;`, `#` or an encoded `?` in a segment, in lower case. Proxies decode twice, WHATWG
 * URL parsers turn backslashes and drop tabs, servlet containers cut at `;`, legacy parsers at `#`, routers ignore case.
 * Whoever does less of it sees longer segments, and no dot segment, empty one or name that is not in it. Linear in the
 * target's length.
 */
export function laxestReading(target: string): string {
  const origin = originForm(target);
  const queryAt = origin.indexOf('?');
  let path = queryAt < 0 ? origin : origin.slice(0, queryAt);
  for (let round = 0; round < decodings && path.includes('%'); round += 1) {
    path = path
      .replace(/%(?:25)+/g, '%')
      .replace(hexPair, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  // Bytes, raw or decoded, of what is mostly UTF-8.
  if (beyondAscii.test(path) && !beyondLatin1.test(path)) path = Buffer.from(path, 'latin1').toString('utf8');
  return withoutParameters(path.replaceAll('\\', '/').replace(invisible, '')).toLowerCase();
}

/** Whether no reader finds an empty, `.` or `..` segment in it, and so another path. */
export function isCanonicalReading(reading: string): boolean {
  return cleanPath(reading) === reading;
}

/**
 * Whether some reader down the line might take the target for a shard-level path although it is none. Where segments may
 * be resolved away, one of that name anywhere in it is enough. Only ever used to refuse, so it is generous.
 */
export function looksShardLevel(target: string, reading = laxestReading(target)): boolean {
  const pattern = isCanonicalReading(reading) ? shardLevel : shardLevelSegment;
  return pattern.test(reading) || isShardLevelHost(target);
}

/** To whoever normalizes or decodes it whole, the host of an absolute-form target is a segment, or several. */
function isShardLevelHost(target: string): boolean {
  const host = target.startsWith('/') ? undefined : absoluteForm.exec(target)?.[1];
  return host !== undefined && shardLevelSegment.test(laxestReading(`/${host}`));
}

/** Cuts `;a=b`, `#a` and `?a` off each segment. */
function withoutParameters(path: string): string {
  return path.replace(/[;#?][^/]*/g, '');
}
