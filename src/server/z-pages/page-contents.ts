import type { PageDocument, PageLink, PageSection } from './page-document.js';
import type { FlagInForce, ServerStatus } from './server-status.js';
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
          ...(isOneOfWorkers ? [['Workers', 'several; this is the status of the one that answered']] : []),
        ],
      },
      {
        kind: 'table',
        heading: 'Policy sources',
        caption: 'Whether each is in step, and for how long it has not been.',
        columns: ['Source', 'State', 'Age', 'Holds'],
        rows: policy.map((source) => [
          source.layer,
          source.inForce ? stateOf(source) : stateOf({ ...source, state: `${source.state}, not in force` }),
          source.state === 'syncing' ? '-' : durationText(source.ageMs),
          `${source.workspaces === undefined ? '' : `${source.workspaces} workspaces, `}${source.clusterRoles} roles, ${source.clusterRoleBindings} bindings`,
        ]),
      },
      ...(virtualCluster === undefined ? [] : [virtualClusterOf(virtualCluster)]),
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
        rows: authenticators.map((name) => [name]),
      },
      {
        kind: 'list',
        heading: 'Authorizers',
        caption: 'Asked in this order whether they may.',
        rows: authorizers.map((name) => [name]),
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

function virtualClusterOf(status: NonNullable<ServerStatus['virtualCluster']>): PageSection {
  const { ageMs, pods, nameless } = status;
  return {
    kind: 'table',
    heading: 'Virtual cluster',
    caption: 'Whether its pods are in step with the host, and for how long they have not been.',
    columns: ['State', 'Age', 'Pods', 'Without a name'],
    rows: [[stateOf(status), durationText(ageMs), String(pods), String(nameless)]],
  };
}

function stateOf({ state, reason }: { readonly state: string; readonly reason?: string }): string {
  return reason === undefined ? state : `${state}: ${withoutUrlSecrets(reason)}`;
}

/** `/flagz`: every flag by its name, as Kubernetes lists them. */
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

/** By name. What may be a secret is `CLASSIFIED`. */
export function shownFlags(flags: readonly FlagInForce[]) {
  return [...flags]
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
    .map(({ name, value }) => [name, shownValue(name, value)] as const);
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
        rows: links,
      },
    ],
    links: [],
  };
}
