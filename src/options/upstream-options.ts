import type { Registry } from 'prom-client';
import type { Exposition } from '../exposition/exposition.js';
import { memberNameFault } from '../exposition/merging/merging-options.js';
import { labelNameFault } from '../exposition/relabelling/label-mapping.js';
import type { UpstreamExpositionOptions } from '../exposition/sources/upstream/upstream.js';
import { parseUpstreamUrl } from '../exposition/sources/upstream/upstream-http.js';
import type { LeftOut, MemberFailure } from '../exposition/merging/merging-options.js';
import type { NoTenantError, UpstreamError } from '../exposition/exposition-errors.js';
import type { Logger } from '../server/server-options.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { fault, isGiven, topic, type GivenOptions } from './option.js';
import { list, parsed, text } from './option-kinds.js';
import { OutageLog } from './outage-log.js';
import type { Opened } from './starting.js';
import { refusalsTold, upstreamHeadersOf, openUpstreamTls, upstreamTls } from './upstream-request-options.js';

/** Whose metrics are guarded, where they are not this process' own. */
export const upstreams = topic('What is served', {
  upstream: parsed(
    list(
      'URL',
      undefined,
      "http or https URL of the exposition that /metrics serves in place of this process' own, which is then at /metrics/filter; without a path, /metrics of it; name=URL, of which there may be several: their expositions are merged",
    ),
    upstreamsIn,
    { kind: 'none' },
  ),
  upstreamLabel: parsed(
    text(
      'label',
      'upstream',
      'label of merged series that holds the name of their upstream; empty: none is added',
    ),
    labelName,
  ),
  upstreamPath: {
    ...parsed(
      list(
        'path=URL',
        undefined,
        'paths below /metrics/ that serve an exposition each, as http or https URLs: /metrics/app=http://127.0.0.1:8080; RBAC grants each by its own path',
      ),
      upstreamPathsIn,
      new Map<string, string>(),
    ),
    kind: 'pair',
  },
});

/** What `upstream` says. */
export type Upstreams =
  | { readonly kind: 'none' }
  | { readonly kind: 'passed-on'; readonly url: string }
  | { readonly kind: 'merged'; readonly urls: ReadonlyMap<string, string> };

/** Where the filter's own metrics are while `/metrics` serves an upstream's. */
export const ownMetricsPath = '/metrics/filter';
/** Where the results of the health checks are, if they are served. */
export const slisPath = '/metrics/slis';
/** Served by this process itself, now or with other options. */
const takenPaths: readonly string[] = [ownMetricsPath, slisPath];

/**
 * URLs may hold commas and equals signs, so only a comma before another upstream separates, and only an equals sign
 * before the whole URL ends a name. A comma of a URL before such text is written as `%2C`.
 */
const beforeUpstream = /,(?=(?:[A-Za-z0-9_.-]+=)?[a-z][a-z0-9+.-]*:\/\/)/i;
const beforePath = /,(?=\/metrics\/[^=,?]+=)/;
/** As the classifier knows paths: each segment is a plain word. */
const servedPath = /^\/metrics(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+)+$/;

/** The values of a list were separated at every comma; they are put together and separated once more. */
function upstreamsIn(given: readonly string[]): Upstreams {
  const targets = given.join(',').split(beforeUpstream);
  const [first = ''] = targets;
  if (targets.length === 1 && nameEnd(first) === -1) return { kind: 'passed-on', url: checkedUrl(first) };
  const urls = new Map<string, string>();
  for (const target of targets) {
    const end = nameEnd(target);
    const url = urlBehindName(target.slice(end + 1));
    if (end === -1) throw new RangeError('several need a name each, such as app=http://…');
    const name = target.slice(0, end);
    const nameFault = memberNameFault(name);
    if (nameFault !== undefined) throw new RangeError(`a name ${nameFault}`);
    if (urls.has(name)) throw new RangeError(`the name "${name}" stands there twice`);
    urls.set(name, url);
  }
  return { kind: 'merged', urls };
}

/** URLs by the path that serves them. */
function upstreamPathsIn(given: readonly string[]): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  for (const target of given.join(',').split(beforePath)) {
    const [, path = '', url] = /^([^=?]*)=(.*)$/s.exec(target) ?? [];
    if (url === undefined || !servedPath.test(path)) {
      throw new RangeError('must be a path below /metrics/ and a URL: /metrics/app=http://…');
    }
    if (takenPaths.includes(path)) throw new RangeError(`${path} is served by this process itself`);
    if (urls.has(path)) throw new RangeError(`${path} stands there twice`);
    urls.set(path, urlBehindName(url));
  }
  return urls;
}

/** Where the `=` stands behind a name; -1 where the text is a URL, or no name. */
function nameEnd(target: string): number {
  const end = target.indexOf('=');
  return /[:/?]/.test(target.slice(0, end)) ? -1 : end;
}

/** A comma before the query may have been meant to separate. */
function urlBehindName(url: string): string {
  if (/^[^?]*,/.test(url))
    throw new RangeError("a comma in a URL's host or path: name=URL behind it, or %2C");
  return checkedUrl(url);
}

function checkedUrl(url: string): string {
  parseUpstreamUrl(url);
  return url;
}

function labelName(label: string): string {
  const nameFault = label === '' ? undefined : labelNameFault(label);
  if (nameFault !== undefined) throw new RangeError(nameFault);
  return label;
}

/** Where metrics are passed on from, each with the path that serves it or its name among several. @throws UsageError */
export function upstreamAddressesOf(
  given: GivenOptions,
): readonly { readonly name: string; readonly url: string }[] {
  const { upstream, upstreamPath } = upstreams.read(given);
  return [...namedUrls(upstream), ...upstreamPath].map(([name, url]) => ({ name, url }));
}

function namedUrls(upstream: Upstreams): readonly (readonly [name: string, url: string])[] {
  switch (upstream.kind) {
    case 'none':
      return [];
    case 'passed-on':
      return [['/metrics', upstream.url]];
    case 'merged':
      return [...upstream.urls];
  }
}

export type UpstreamEvents = Awaited<ReturnType<typeof upstreamEvents>>;

/**
 * What is served where: `own` at `/metrics`, or beside upstreams'. Nothing is asked of the upstreams yet: they may
 * start later than their guard.
 *
 * @throws UsageError naming the option.
 */
export async function openUpstreams(
  given: GivenOptions,
  own: Exposition,
  files: FollowedOptionFiles,
  opened: Opened,
  events: UpstreamEvents,
) {
  const { upstream, upstreamLabel: label, upstreamPath } = upstreams.read(given);
  const urls = [...namedUrls(upstream), ...upstreamPath].map(([, url]) => url);
  checkUses(given, upstream, urls);
  const tls = await openUpstreamTls(given, files);
  const headers = upstreamHeadersOf(given, urls, tls.clientCertificate !== undefined);
  const { upstreamExposition } = await import('../exposition/sources/upstream/upstream.js');
  const open = (
    url: string,
    options: Pick<UpstreamExpositionOptions, 'onFailure' | 'answeringMs'>,
  ): Exposition =>
    opened.add(
      upstreamExposition({
        url,
        get ca() {
          return tls.ca;
        },
        get clientCertificate() {
          return tls.clientCertificate;
        },
        serverName: tls.serverName,
        ...headers,
        ...options,
      }),
    );
  const told = (exposition: Exposition): Exposition =>
    headers.tenantHeaders === undefined ? exposition : refusalsTold(exposition, events.onNoTenant);
  const passedOn = (path: string, url: string): Exposition =>
    told(
      open(url, {
        onFailure: (error) => {
          events.onFailure(path, error);
        },
      }),
    );
  const others = new Map([...upstreamPath].map(([path, url]) => [path, passedOn(path, url)]));
  if (upstream.kind !== 'none') others.set(ownMetricsPath, own);
  switch (upstream.kind) {
    case 'none':
      return { exposition: own, others };
    case 'passed-on':
      return { exposition: passedOn('/metrics', upstream.url), others };
    case 'merged': {
      const { mergedExposition } = await import('../exposition/merging/merged-exposition.js');
      const members = [...upstream.urls].map(([name, url]) => ({
        name,
        // The merging exposition tells of failures, and leaves of the timeout what it needs.
        exposition: open(url, { answeringMs: 0 }),
        ...(label !== '' && { labels: { [label]: name } }),
      }));
      const { onMemberFailure: onFailure, onLeftOut } = events;
      return { exposition: told(mergedExposition({ members, onFailure, onLeftOut })), others };
    }
  }
}

/** What has nothing to say where there is no upstream of its kind. */
function checkUses(given: GivenOptions, upstream: Upstreams, urls: readonly string[]): void {
  const { name } = upstreams.options.upstream;
  const { upstreamLabel } = upstreams.options;
  if (isGiven(given, upstreamLabel) && upstream.kind !== 'merged') {
    throw fault(upstreamLabel, `needs an ${name} with a name: name=URL`);
  }
  if (urls.some((url) => /^https:/i.test(url))) return;
  const useless = Object.values(upstreamTls.options).find((option) => isGiven(given, option));
  if (useless !== undefined) throw fault(useless, `needs ${urls.length === 0 ? '' : 'an https '}${name}`);
}

/** Failures of upstreams, logged upstream by upstream, and counted in the registry. */
export async function upstreamEvents(registry: Registry, logger: Logger) {
  const { UpstreamMetrics } = await import('../telemetry/outgoing-metrics.js');
  const metrics = new UpstreamMetrics(registry);
  const outages = new Map<string, OutageLog>();
  const outageOf = (upstream: string, failure: string): OutageLog => {
    const key = `${failure} ${upstream}`;
    const outage = outages.get(key) ?? new OutageLog(logger, { failure });
    outages.set(key, outage);
    return outage;
  };
  const onMemberFailure = ({ member, reason, error }: MemberFailure): void => {
    metrics.failure(member, reason);
    outageOf(member, 'the upstream was not scraped').failed(error.message);
  };
  return {
    /** `upstream` is the path that serves it. */
    onFailure: (member: string, error: UpstreamError) => {
      onMemberFailure({ member, reason: error.status === 504 ? 'timeout' : 'unavailable', error });
    },
    /** Of one upstream of several. */
    onMemberFailure,
    onNoTenant: ({ fault: reason, detail }: NoTenantError) => {
      metrics.withoutTenant(reason);
      outageOf('', 'a scrape was refused, without a tenant').failed(detail);
    },
    onLeftOut: (leftOut: LeftOut) => {
      metrics.leftOut(leftOut);
      const { member, family, cause } = leftOut;
      const why =
        cause === 'conflict' ? 'contradicts an upstream before it' : 'has series that are there already';
      outageOf(member, 'not all of an upstream was merged').failed(`${member}: ${family} ${why}`);
    },
  };
}
