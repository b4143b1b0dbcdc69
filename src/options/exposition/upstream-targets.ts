import { memberNameFault } from '../../exposition/merging/member.js';
import { parseUpstreamUrl } from '../../exposition/sources/upstream/upstream-url.js';
import { listOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';

/** What `--upstream` says. */
export type Upstreams =
  | { readonly kind: 'none' }
  | { readonly kind: 'passed-on'; readonly url: string }
  | { readonly kind: 'merged'; readonly urls: ReadonlyMap<string, string> };

/**
 * URLs may hold commas and equals signs, so only a comma before another upstream separates, and only an equals sign
 * before the whole URL ends a name. A comma of a URL before such text is written as `%2C`.
 */
const beforeUpstream = /,(?=(?:[A-Za-z0-9_.-]+=)?[a-z][a-z0-9+.-]*:\/\/)/i;
const beforePath = /,(?=\/metrics\/[^=,?]+=)/;
/** As the classifier knows paths: each segment is a plain word. */
const servedPath = /^\/metrics(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+)+$/;

/** @throws UsageError naming the flag. */
export function upstreamsOf(values: FlagValues, flag: Flag): Upstreams {
  const targets = targetsOf(values, flag, beforeUpstream);
  const [first] = targets;
  if (first === undefined) return { kind: 'none' };
  if (targets.length === 1 && nameEnd(first) === -1)
    return { kind: 'passed-on', url: checkedUrl(flag, first) };
  const urls = new Map<string, string>();
  for (const target of targets) {
    const end = nameEnd(target);
    refuseComma(flag, target.slice(end + 1));
    const url = checkedUrl(flag, target.slice(end + 1));
    if (end === -1) throw new UsageError(`${flag.name}: several need a name each, such as app=http://…`);
    const name = target.slice(0, end);
    const fault = memberNameFault(name);
    if (fault !== undefined) throw new UsageError(`${flag.name}: a name ${fault}`);
    if (urls.has(name)) throw new UsageError(`${flag.name}: the name "${name}" stands there twice`);
    urls.set(name, url);
  }
  return { kind: 'merged', urls };
}

/** URLs by the path that serves them. @throws UsageError naming the flag. */
export function upstreamPathsOf(
  values: FlagValues,
  flag: Flag,
  taken: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  for (const target of targetsOf(values, flag, beforePath)) {
    const [, path = '', url] = /^([^=?]*)=(.*)$/s.exec(target) ?? [];
    if (url === undefined || !servedPath.test(path)) {
      throw new UsageError(`${flag.name}: must be a path below /metrics/ and a URL: /metrics/app=http://…`);
    }
    if (taken.has(path)) throw new UsageError(`${flag.name}: ${path} is served by this process itself`);
    if (urls.has(path)) throw new UsageError(`${flag.name}: ${path} stands there twice`);
    refuseComma(flag, url);
    urls.set(path, checkedUrl(flag, url));
  }
  return urls;
}

export function isHttps(url: string): boolean {
  return /^https:/i.test(url);
}

/** Taken apart once more: commas separate only where they stand between two upstreams. */
function targetsOf(values: FlagValues, flag: Flag, separator: RegExp): readonly string[] {
  const given = listOf(values, flag);
  return given.length === 0 ? [] : given.join(',').split(separator);
}

/** Where the `=` stands behind a name; -1 where the text is a URL, or no name. */
function nameEnd(target: string): number {
  const end = target.indexOf('=');
  return /[:/?]/.test(target.slice(0, end)) ? -1 : end;
}

/** One before the query may have been meant to separate. */
function refuseComma(flag: Flag, url: string): void {
  if (!/^[^?]*,/.test(url)) return;
  throw new UsageError(`${flag.name}: a comma in a URL's host or path: name=URL behind it, or %2C`);
}

function checkedUrl(flag: Flag, url: string): string {
  try {
    parseUpstreamUrl(url);
    return url;
  } catch (error) {
    throw usageError(flag.name, error);
  }
}
