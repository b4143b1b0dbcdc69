import type { Exposition } from '../../exposition/exposition.js';
import type { LeftOut, MemberFailure } from '../../exposition/merging/member.js';
import { mergedExposition } from '../../exposition/merging/merged-exposition.js';
import type { UpstreamError, NoTenantError } from '../../exposition/exposition-errors.js';
import {
  upstreamExposition,
  type UpstreamExposition,
  type UpstreamExpositionOptions,
} from '../../exposition/sources/upstream/upstream.js';
import { isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError } from '../usage-error.js';
import { identityHeadersOf } from './identity-header-flags.js';
import { refusalsTold, tenantHeadersOf } from './tenant-header-flags.js';
import { isHttps, upstreamPathsOf, upstreamsOf, type Upstreams } from './upstream-targets.js';
import { upstreamTlsFlags, upstreamTlsOf } from './upstream-tls-flags.js';
import { labelNameFault } from '../../exposition/relabelling/label-mapping.js';

const upstream: Flag = {
  name: '--upstream',
  value: 'URL',
  isList: true,
  description:
    "http or https URL of the exposition that /metrics serves in place of this process' own, which is then at /metrics/filter; without a path, /metrics of it; name=URL, of which there may be several: their expositions are merged",
};
const upstreamLabel: Flag = {
  name: '--upstream-label',
  value: 'label',
  default: 'upstream',
  description: 'label of merged series that holds the name of their upstream; empty: none is added',
};
const upstreamPath: Flag = {
  name: '--upstream-path',
  value: 'path=URL',
  isList: true,
  description:
    'paths below /metrics/ that serve an exposition each, as http or https URLs: /metrics/app=http://127.0.0.1:8080; RBAC grants each by its own path',
};

/** Whose metrics are guarded, where they are not this process' own. */
export const upstreamFlags: readonly Flag[] = [upstream, upstreamLabel, upstreamPath, ...upstreamTlsFlags];

/** Where the filter's own metrics are while `/metrics` serves an upstream's. */
export const ownMetricsPath = '/metrics/filter';
/** Served by this process itself, now or with other flags. */
const takenPaths: ReadonlySet<string> = new Set([ownMetricsPath, '/metrics/slis']);

export interface ServedExpositions {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** By the path below `/metrics`; RBAC grants each by its own path. */
  readonly others: ReadonlyMap<string, Exposition>;
  /** Closes the connections to the upstreams. */
  readonly close: () => void;
}

export interface UpstreamEvents {
  /** `upstream` is the path that serves it. */
  readonly onFailure: (upstream: string, error: UpstreamError) => void;
  /** Of one upstream of several. */
  readonly onMemberFailure: (failure: MemberFailure) => void;
  readonly onLeftOut: (leftOut: LeftOut) => void;
  /** Told of each scrape that was refused. */
  readonly onNoTenant: (error: NoTenantError) => void;
}

/**
 * What is served where: `own` at `/metrics`, or beside upstreams'. Nothing is asked of the upstreams yet: they may
 * start later than their guard.
 *
 * @throws UsageError naming the flag.
 */
export async function expositionOf(
  values: FlagValues,
  own: Exposition,
  files: FollowedFlagFiles,
  events: UpstreamEvents,
): Promise<ServedExpositions> {
  const upstreams = upstreamsOf(values, upstream);
  const paths = upstreamPathsOf(values, upstreamPath, takenPaths);
  const label = labelOf(values, upstreams);
  const urls = [...urlsOf(upstreams), ...paths.values()];
  refuseUselessTlsFlags(values, urls);
  const tls = await upstreamTlsOf(values, files);
  const showsCertificate = tls.clientCertificate !== undefined;
  const identityHeaders = identityHeadersOf(values, urls, showsCertificate);
  const tenantHeaders = tenantHeadersOf(values, { urls, identityHeaders, showsCertificate });
  const opened: UpstreamExposition[] = [];
  const open = (
    url: string,
    { onFailure, answeringMs }: Pick<UpstreamExpositionOptions, 'onFailure' | 'answeringMs'>,
  ): Exposition => {
    const exposition = upstreamExposition({
      url,
      get ca() {
        return tls.ca;
      },
      get clientCertificate() {
        return tls.clientCertificate;
      },
      serverName: tls.serverName,
      ...(identityHeaders === undefined ? {} : { identityHeaders }),
      ...(tenantHeaders === undefined ? {} : { tenantHeaders }),
      ...(answeringMs === undefined ? {} : { answeringMs }),
      ...(onFailure === undefined ? {} : { onFailure }),
    });
    opened.push(exposition);
    return exposition;
  };
  const told = (exposition: Exposition): Exposition =>
    tenantHeaders === undefined ? exposition : refusalsTold(exposition, events.onNoTenant);
  const passedOn = (path: string, url: string): Exposition =>
    told(
      open(url, {
        onFailure: (error) => {
          events.onFailure(path, error);
        },
      }),
    );
  const others = new Map([...paths].map(([path, url]) => [path, passedOn(path, url)]));
  if (upstreams.kind !== 'none') others.set(ownMetricsPath, own);
  const close = (): void => {
    for (const exposition of opened) exposition.close();
  };
  switch (upstreams.kind) {
    case 'none':
      return { exposition: own, others, close };
    case 'passed-on':
      return { exposition: passedOn('/metrics', upstreams.url), others, close };
    case 'merged': {
      const members = [...upstreams.urls].map(([name, url]) => ({
        name,
        // The merging exposition tells of failures, and leaves of the timeout what it needs.
        exposition: open(url, { answeringMs: 0 }),
        ...(label === '' ? {} : { labels: { [label]: name } }),
      }));
      const { onMemberFailure: onFailure, onLeftOut } = events;
      return { exposition: told(mergedExposition({ members, onFailure, onLeftOut })), others, close };
    }
  }
}

/** Where metrics are passed on from, each with the path that serves it or its name among several. @throws UsageError */
export function upstreamAddressesOf(
  values: FlagValues,
): readonly { readonly name: string; readonly url: string }[] {
  const upstreams = upstreamsOf(values, upstream);
  const named = upstreams.kind === 'merged' ? upstreams.urls : [];
  const passedOn = upstreams.kind === 'passed-on' ? [['/metrics', upstreams.url] as const] : [];
  const paths = upstreamPathsOf(values, upstreamPath, takenPaths);
  return [...passedOn, ...named, ...paths].map(([name, url]) => ({ name, url }));
}

function urlsOf(upstreams: Upstreams): Iterable<string> {
  switch (upstreams.kind) {
    case 'none':
      return [];
    case 'passed-on':
      return [upstreams.url];
    case 'merged':
      return upstreams.urls.values();
  }
}

/** Empty where none is added. */
function labelOf(values: FlagValues, { kind }: Upstreams): string {
  if (isGiven(values, upstreamLabel) && kind !== 'merged') {
    throw new UsageError(`${upstreamLabel.name}: needs an ${upstream.name} with a name: name=URL`);
  }
  const label = valueOf(values, upstreamLabel) ?? '';
  const fault = label === '' ? undefined : labelNameFault(label);
  if (fault !== undefined) throw new UsageError(`${upstreamLabel.name}: ${fault}`);
  return label;
}

/** Without an https upstream they have nothing to say. */
function refuseUselessTlsFlags(values: FlagValues, urls: readonly string[]): void {
  const given = upstreamTlsFlags.find((flag) => isGiven(values, flag));
  if (given === undefined || urls.some(isHttps)) return;
  const what = urls.length === 0 ? upstream.name : `an https ${upstream.name}`;
  throw new UsageError(`${given.name}: needs ${what}`);
}
