import { posix } from 'node:path';
import { parse } from 'node:url';

/** One thing that a router, a proxy or a framework does with a target on its way to a route. */
export type Reading = (target: string) => string | undefined;

const decodeOnce: Reading = (target) =>
  target.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
const decodeOnceStrictly: Reading = (target) => {
  try {
    return decodeURIComponent(target);
  } catch {
    return undefined;
  }
};
const whatwg: Reading = (target) => {
  try {
    return new URL(target, 'http://h').pathname;
  } catch {
    return undefined;
  }
};
const legacy: Reading = (target) => {
  try {
    // What applications still call.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    return parse(target).pathname ?? undefined;
  } catch {
    return undefined;
  }
};

export const readings: readonly (readonly [string, Reading])[] = [
  ['decode', decodeOnce],
  ['decodeURIComponent', decodeOnceStrictly],
  ['new URL', whatwg],
  ['url.parse', legacy],
  ['backslashes', (target) => target.replaceAll('\\', '/')],
  ['normalize', (target) => posix.normalize(target)],
  ['one slash for several', (target) => target.replace(/\/{2,}/g, '/')],
  ['without parameters', (target) => target.replace(/;[^/]*/g, '')],
  ['up to the first parameter', (target) => target.replace(/;.*$/s, '')],
  ['up to ?', (target) => target.replace(/\?.*$/s, '')],
  ['up to #', (target) => target.replace(/#.*$/s, '')],
  ['without controls', (target) => target.replace(/[\u0000-\u001f\u007f]/g, '')],
  ['trimmed', (target) => target.trim()],
  ['without an authority', (target) => target.replace(/^(?:[a-z][a-z0-9+.-]*:)?\/\/[^/]*/i, '')],
];

const shardLevel = /^\/metrics(?:\/|$)/i;

/** The readings, in order, by which a target is a shard-level path to somebody; undefined where no few of them do. */
export function leadsToShardLevel(target: string, depth = 3): readonly string[] | undefined {
  // Where a query begins, everybody agrees.
  let now = new Map<string, readonly string[]>([[target.replace(/\?.*$/s, ''), []]]);
  const seen = new Set(now.keys());
  for (let step = 0; step <= depth; step += 1) {
    const next = new Map<string, readonly string[]>();
    for (const [text, path] of now) {
      if (shardLevel.test(text)) return path;
      for (const [name, read] of readings) {
        const found = read(text);
        if (found === undefined || seen.has(found)) continue;
        seen.add(found);
        next.set(found, [...path, name]);
      }
    }
    now = next;
  }
  return undefined;
}
