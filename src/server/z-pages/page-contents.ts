import type { PageDocument, PageLink } from './page-document.js';
import type { FlagInForce, PolicySourceStatus, ServerStatus, VirtualClusterStatus } from './server-status.js';
import { dateText, daysLeft, durationText, shownValue, uptimeText, withoutUrlSecrets } from './shown-text.js';

/** Kubernetes' words, on each of its z-pages. */
const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

/** `/statusz`; `now` in ms since the epoch. */
export function statusDocument(
  component: string,
  status: ServerStatus,
  links: readonly PageLink[],
  now: number,
): PageDocument {
  const { version, mode, startedAt, isOneOfWorkers = false, authenticators, authorizers } = status;
  const { policy = [], certificates = [], refusals = [], upstreams = [], virtualCluster } = status;
  return {
    title: `${component} statusz`,
    notice: warning,
    sections: [
      {
        kind: 'facts',
        heading: 'Process',
        caption: 'What runs, and since when.',
        delimiter: ': ',
        columns: ['Name', 'Value'],
        rows: [
          ['Started', dateText(startedAt)],
          ['Up', uptimeText(now - startedAt)],
          ['Version', version],
          ['Node.js version', process.version],
          ['Mode', mode],
          ...(isOneOfWorkers
            ? [['Workers', 'several; this is the status of the one that answered'] as const]
            : []),
        ],
      },
      {
        kind: 'table',
        heading: 'Policy sources',
        caption: 'Whether each is in step, and for how long it has not been.',
        columns: ['Source', 'State', 'Age', 'Holds'],
        rows: policy.map((source) => [
          source.layer,
          stateOf(source),
          source.state === 'syncing' ? '-' : durationText(source.ageMs),
          `${source.workspaces === undefined ? '' : `${source.workspaces} workspaces, `}${source.clusterRoles} roles, ${source.clusterRoleBindings} bindings`,
        ]),
      },
      ...(virtualCluster === undefined ? [] : [virtualClusterTable(virtualCluster)]),
      {
        kind: 'table',
        heading: 'Certificates',
        caption: 'When the first certificate of each file expires.',
        columns: ['File', 'Expires', 'Days left'],
        rows: certificates.map(({ flag, file, expiresAt }) => [
          file === '' ? flag : `${flag}=${file}`,
          dateText(expiresAt),
          daysLeft(expiresAt, now),
        ]),
      },
      {
        kind: 'list',
        heading: 'Authenticators',
        caption: 'Asked in this order who sends a request.',
        items: authenticators,
      },
      {
        kind: 'list',
        heading: 'Authorizers',
        caption: 'Asked in this order whether they may.',
        items: authorizers,
      },
      {
        kind: 'table',
        heading: 'Refused requests',
        caption: 'By reason, the latest first.',
        columns: ['Reason', 'Code', 'Count', 'Last'],
        rows: refusals.map(({ reason, code, count, lastAt }) => [
          reason,
          String(code),
          String(count),
          `${dateText(lastAt)} (${durationText(now - lastAt)} ago)`,
        ]),
      },
      {
        kind: 'table',
        heading: 'Upstreams',
        caption: 'Whose metrics are passed on.',
        columns: ['Name', 'Address'],
        rows: upstreams.map(({ name, url }) => [name, withoutUrlSecrets(url)]),
      },
    ],
    links,
  };
}

function virtualClusterTable({ state, reason, ageMs, pods, nameless }: VirtualClusterStatus) {
  return {
    kind: 'table',
    heading: 'Virtual cluster',
    caption: 'Whether its pods are in step with the host, and for how long they have not been.',
    columns: ['State', 'Age', 'Pods', 'Without a name'],
    rows: [
      [
        reason === undefined ? state : `${state}: ${withoutUrlSecrets(reason)}`,
        durationText(ageMs),
        String(pods),
        String(nameless),
      ],
    ],
  } as const;
}

function stateOf({ state, reason, inForce }: PolicySourceStatus): string {
  const use = inForce ? state : `${state}, not in force`;
  return reason === undefined ? use : `${use}: ${withoutUrlSecrets(reason)}`;
}

/** `/flagz`: every flag by its name, as Kubernetes lists them. What may be a secret is `CLASSIFIED`. */
export function flagsDocument(
  component: string,
  flags: readonly FlagInForce[],
  links: readonly PageLink[],
): PageDocument {
  return {
    title: `${component} flagz`,
    notice: warning,
    sections: [
      {
        kind: 'facts',
        heading: 'Flags',
        caption: 'Each with the value in force, given or by default.',
        delimiter: '=',
        columns: ['Flag', 'Value'],
        rows: shownFlags(flags),
      },
    ],
    links,
  };
}

function shownFlags(flags: readonly FlagInForce[]): readonly (readonly [name: string, value: string])[] {
  return [...flags]
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
    .map(({ name, value }) => [name, shownValue(name, value)]);
}

/** `/` for people. */
export function indexDocument(component: string, links: readonly PageLink[]): PageDocument {
  return {
    title: component,
    notice: 'Guards the metrics of this server: each path is served to users who may read it.',
    sections: [
      {
        kind: 'links',
        heading: 'Paths',
        caption: 'What is served here.',
        columns: ['Path', 'What it shows'],
        links,
      },
    ],
    links: [],
  };
}

/** `/` for programs, as Kubernetes' API servers list their paths. */
export function pathsJson(paths: readonly string[]): string {
  return JSON.stringify({ paths: [...new Set(paths)].sort() }, null, 2);
}

const group = 'config.k8s.io';
const version = 'v1beta1';

/** As an Accept header's parameters ask for it: kind, group and version. */
export type StructuredKind = Readonly<Record<'as' | 'g' | 'v', string>>;

/** The kinds of Kubernetes' structured z-pages. */
export const structuredKinds = {
  '/statusz': { as: 'Statusz', g: group, v: version },
  '/flagz': { as: 'Flagz', g: group, v: version },
} as const;

/** Kubernetes' Statusz, with the fields that a server without Go can fill. `now` in ms since the epoch. */
export function statuszObject(
  component: string,
  { startedAt, version: binaryVersion }: ServerStatus,
  paths: readonly string[],
  now: number,
) {
  const folders = paths.map((path) => `/${path.split('/')[1] ?? ''}`).filter((folder) => folder !== '/');
  return {
    kind: 'Statusz',
    apiVersion: `${group}/${version}`,
    metadata: { name: component },
    startTime: Number.isFinite(startedAt) ? dateText(startedAt) : null,
    uptimeSeconds: Math.max(0, Math.floor((now - startedAt) / 1000)) || 0,
    binaryVersion,
    paths: [...new Set(folders)].sort(),
  };
}

/** Kubernetes' Flagz. What may be a secret is `CLASSIFIED`. */
export function flagzObject(component: string, flags: readonly FlagInForce[]) {
  return {
    kind: 'Flagz',
    apiVersion: `${group}/${version}`,
    metadata: { name: component },
    flags: Object.fromEntries(shownFlags(flags)),
  };
}
