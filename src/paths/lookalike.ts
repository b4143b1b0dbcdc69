import { cleanPath } from './clean-path.js';
import { originForm } from './request-target.js';

const shardLevel = /^(?:\/services\/cache(?=\/)|\/shards\/[^/]*|\/clusters\/[^/]*)*\/metrics(?:\/|$)/;
const routed = /^\/metrics(?:[/#]|$)/i;
/** To a WHATWG parser, `//host/path` has a host. */
const host = /^\/{2,}[^/]*/;
const hexPair = /%([0-9a-f]{2})/gi;
// Invisible characters are what hides a path.
const invisible = /[\u0000-\u0020\u007f-\u00a0\u00ad\u200b-\u200f\u2028\u2029\u2060\ufeff]/g;
const decodings = 3;

/**
 * Whether some reader down the line might take the target for a shard-level path although it is none:
 * routers ignore case and trailing slashes, proxies decode twice, WHATWG URL parsers turn backslashes and
 * drop tabs, servlet containers cut at `;`, legacy parsers cut at `#`. Only ever used to refuse, so it reads
 * generously; linear in the target's length.
 */
export function looksShardLevel(target: string): boolean {
  const origin = originForm(target);
  const queryAt = origin.indexOf('?');
  let path = queryAt < 0 ? origin : origin.slice(0, queryAt);
  // Not every reader removes what looks like `..`: to Express, `/Metrics/..;` is below /metrics.
  if (routed.test(path)) return true;
  for (let round = 0; round < decodings && path.includes('%'); round += 1) {
    path = path.replace(hexPair, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  path = withoutParameters(path.replaceAll('\\', '/').replace(invisible, '')).toLowerCase();
  return isShardLevel(path) || isShardLevel(path.replace(host, ''));
}

function isShardLevel(path: string): boolean {
  return shardLevel.test(path) || shardLevel.test(cleanPath(path));
}

/** Cuts `;a=b`, `#a` and `?a` off each segment. */
function withoutParameters(path: string): string {
  return path.replace(/[;#?][^/]*/g, '');
}
