import type { Registry } from 'prom-client';
import type { Exposition } from '../exposition/exposition.js';
import { memberNameFault } from '../exposition/merging/merging-options.js';
import type { UpstreamExpositionOptions } from '../exposition/sources/upstream/upstream.js';
import { parseUpstreamUrl } from '../exposition/sources/upstream/upstream-messages.js';
import type { LeftOut, MemberFailure } from '../exposition/merging/merging-options.js';
import type { NoTenantError, UpstreamError } from '../exposition/exposition-errors.js';
import type { Logger } from '../server/server-options.js';
import { UpstreamMetrics } from '../telemetry/outgoing-metrics.js';
import { gateway, openGateway, urlsByPath } from './gateway-options.js';
import { blaming, fault, isGiven, topic, type GivenOptions } from './option.js';
import { each, list, names, parsed, quoted, text } from './option-kinds.js';
import { queryNamePattern } from '../exposition/passed-query.js';
import { OutageLog } from './outage-log.js';
import type { Opening } from './starting.js';
import { labelName } from './relabelling-options.js';
import { virtualClusters } from './virtual-cluster-options.js';
import {
  anyUpstream,
  refusalsTold,
  upstreamHeadersOf,
  openUpstreamTls,
  upstreamTls,
} from './upstream-request-options.js';

const noUpstreams: Upstreams = { kind: 'none', urls: new Map() };

/** Other servers whose metrics are served. */
export const upstreams = topic('What is served', {
  upstream: parsed(list('URL'), upstreamsIn, noUpstreams).help(
    'http or https URL whose metrics /metrics serves; the default path is /metrics; several name=URL are merged; the metrics of this process are then at /metrics/filter',
  ),
  upstreamLabel: parsed(text('label', 'upstream'), (label) => label && labelName(label)).help(
    'label for the name of the upstream in merged series; empty: no label',
  ),
  upstreamPath: parsed(list('path=URL'), upstreamPathsIn, new Map<string, string>()).help(
    'paths below /metrics/ and the http or https URLs whose metrics they serve: /metrics/app=http://127.0.0.1:8080; RBAC grants each path on its own',
    { kind: 'pair' },
  ),
  upstreamPassQuery: each(names('names'), queryName).help(
    'query parameters of a scrape that are passed on to the upstreams, such as collect[], target or match[]; 2 KiB of them at most; unset: none',
  ),
});

function queryName(name: string): string {
  if (queryNamePattern.test(name)) return name;
  throw new RangeError(`${quoted(name)} is no name of letters, digits and _ . : - [ ]`);
}

export interface Upstreams {
  readonly kind: 'none' | 'passed-on' | 'merged';
  /** By the name of each of several, or by the path that serves the only one. */
  readonly urls: ReadonlyMap<string, string>;
}

/** Serves this process's own metrics while `/metrics` serves an upstream's. */
export const ownMetricsPath = '/metrics/filter';
/** Serves health check results, if enabled. */
export const slisPath = '/metrics/slis';
/** Reserved for this process. */
const takenPaths: readonly string[] = [ownMetricsPath, slisPath];

/**
 * URLs may contain commas and equals signs, so only a comma before another upstream separates, and only an equals sign
 * before the whole URL ends a name. A comma of a URL before such text is written as `%2C`.
 */
const beforeUpstream = /,(?=(?:[A-Za-z0-9_.-]+=)?[a-z][a-z0-9+.-]*:\/\/)/i;
const beforePath = /,(?=\/metrics\/[^=,?]+=)/;
/** Paths that the classifier accepts. */
const servedPath = /^\/metrics(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+)+$/;

/** The list was split at every comma; joins it and splits it again. */
function upstreamsIn(given: readonly string[]): Upstreams {
  const targets = given.join(',').split(beforeUpstream);
  const urls = new Map<string, string>();
  for (const target of targets) {
    // Without a name, whatever stands before an equals sign is of the URL.
    const [, name, url = target] = /^([^:/?=]*)=(.*)$/s.exec(target) ?? [];
    if (name === undefined && targets.length === 1) {
      parseUpstreamUrl(url);
      return { kind: 'passed-on', urls: new Map([['/metrics', url]]) };
    }
    checkNamedUrl(url);
    if (name === undefined) throw new RangeError('several upstreams each need a name, such as app=http://…');
    const nameFault = memberNameFault(name);
    if (nameFault !== undefined) throw new RangeError(`a name ${nameFault}`);
    if (urls.has(name)) throw new RangeError(`the name "${name}" is given twice`);
    urls.set(name, url);
  }
  return { kind: 'merged', urls };
}

/** URLs by the path that serves them. */
function upstreamPathsIn(given: readonly string[]): ReadonlyMap<string, string> {
  const form = 'must be a path below /metrics/ and a URL: /metrics/app=http://…';
  return urlsByPath(given.join(',').split(beforePath), servedPath, form, (path, url) => {
    if (takenPaths.includes(path)) throw new RangeError(`${path} is served by this process itself`);
    checkNamedUrl(url);
  });
}

/** Refuses a comma before the query, too, which may have been meant as a separator. */
function checkNamedUrl(url: string): void {
  if (/^[^?]*,/.test(url)) {
    throw new RangeError(
      "a comma in a URL's host or path must be followed by name=URL, or be written as %2C",
    );
  }
  parseUpstreamUrl(url);
}

/** The URLs of upstreams and backends, each with the path that serves it or its name among several. */
export function upstreamAddressesOf(given: GivenOptions) {
  const { upstream, upstreamPath } = upstreams.read(given);
  const backends = gateway.read(given).gatewayPath;
  const { gatewayPath } = gateway.options;
  for (const [path, url] of backends) {
    // The URL itself is not quoted: it may be a secret in the wrong place.
    blaming(gatewayPath, () => parseUpstreamUrl(url));
    const refuse = (what: string) => fault(gatewayPath, `the URL of ${path} must not have a ${what}`);
    if (/[?,]/.test(url)) throw refuse('query or a comma');
    if (path.endsWith('/*') && new URL(url).pathname !== '/') {
      throw refuse('path: the one that was asked for is passed on');
    }
  }
  return [...upstream.urls, ...upstreamPath, ...backends].map(([name, url]) => ({ name, url }));
}

export type UpstreamEvents = ReturnType<typeof upstreamEvents>;

/**
 * Opens the expositions: `own` at `/metrics`, or beside the upstreams'; and the gateway. Sends no request yet: other
 * servers may start later than the filter.
 */
export async function openUpstreams(
  given: GivenOptions,
  own: Exposition,
  { files, opened }: Pick<Opening, 'files' | 'opened'>,
  events: UpstreamEvents,
) {
  const { upstream, upstreamLabel: label, upstreamPath } = upstreams.read(given);
  const urls = upstreamAddressesOf(given).map(({ url }) => url);
  checkUses(given, urls);
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
    told(open(url, { onFailure: events.onFailure.bind(undefined, path) }));
  const others = new Map([...upstreamPath].map(([path, url]) => [path, passedOn(path, url)]));
  // What is not the virtual cluster's is left out of /metrics, whosever that is.
  if (upstream.kind !== 'none' || isGiven(given, virtualClusters.options.virtualCluster)) {
    others.set(ownMetricsPath, own);
  }
  const beside = { others, gateway: await openGateway(given, { tls, headers, opened, events }) };
  if (upstream.kind === 'none') return { exposition: own, ...beside };
  if (upstream.kind === 'passed-on') {
    const [exposition = own] = [...upstream.urls].map(([path, url]) => passedOn(path, url));
    return { exposition, ...beside };
  }
  const { mergedExposition } = await import('../exposition/merging/merged-exposition.js');
  const members = [...upstream.urls].map(([name, url]) => ({
    name,
    // The merged exposition reports failures and applies its own share of the timeout.
    exposition: open(url, { answeringMs: 0 }),
    ...(label !== '' && { labels: { [label]: name } }),
  }));
  const { onMemberFailure: onFailure, onLeftOut } = events;
  return { exposition: told(mergedExposition({ members, onFailure, onLeftOut })), ...beside };
}

/** Refuses options that have no effect without an upstream of their kind. */
function checkUses(given: GivenOptions, addresses: readonly string[]): void {
  const { upstream, upstreamPath, upstreamPassQuery: passed } = upstreams.read(given);
  const { upstream: option, upstreamPassQuery, upstreamLabel } = upstreams.options;
  const urls = [...upstream.urls.values(), ...upstreamPath.values()];
  if (passed.length > 0 && urls.length === 0) throw fault(upstreamPassQuery, `needs ${option.name}`);
  // The operator has said what it is.
  const fixed = passed.find((name) => urls.some((url) => new URL(url).searchParams.has(name)));
  if (fixed !== undefined) {
    throw fault(upstreamPassQuery, `${quoted(fixed)} is in the URL of an upstream already`);
  }
  if (isGiven(given, upstreamLabel) && upstream.kind !== 'merged') {
    throw fault(upstreamLabel, `needs an ${option.name} with a name: name=URL`);
  }
  if (addresses.some((url) => /^https:/i.test(url))) return;
  const useless = Object.values(upstreamTls.options).find((one) => isGiven(given, one));
  if (useless === undefined) return;
  throw fault(useless, `needs ${addresses.length === 0 ? anyUpstream : `an https ${option.name}`}`);
}

/** Logs and counts failures of upstreams. */
export function upstreamEvents(registry: Registry, logger: Logger) {
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
    outageOf(member, 'scraping the upstream failed').failed(error.message);
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
      outageOf('', 'a scrape without a tenant was refused').failed(detail);
    },
    onLeftOut: (leftOut: LeftOut) => {
      metrics.leftOut(leftOut);
      const { member, family, cause } = leftOut;
      const why = `${cause === 'conflict' ? 'conflicts with' : 'repeats series of'} an upstream before it`;
      outageOf(member, 'an upstream was merged in part').failed(`${member}: ${family} ${why}`);
    },
  };
}
