import type { PageDocument, PageLink, PageSection } from './page-document.js';
import { withoutUrlSecrets } from './redacted-value.js';
import type { PolicySourceStatus, ServerStatus } from './server-status.js';
import { dateText, daysLeft, durationText, uptimeText } from './times.js';

/** Kubernetes' words, on each of its z-pages. */
export const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

/** `/statusz`; `now` in ms since the epoch. */
export function statusDocument(
  component: string,
  status: ServerStatus,
  links: readonly PageLink[],
  now: number,
): PageDocument {
  return {
    title: `${component} statusz`,
    notice: warning,
    sections: [
      processSection(status, now),
      policySection(status),
      certificatesSection(status, now),
      {
        kind: 'list',
        heading: 'Authenticators',
        caption: 'Asked in this order who sends a request.',
        items: status.authenticators,
      },
      {
        kind: 'list',
        heading: 'Authorizers',
        caption: 'Asked in this order whether he may.',
        items: status.authorizers,
      },
      refusalsSection(status, now),
      upstreamsSection(status),
    ],
    links,
  };
}

function processSection(
  { version, mode, startedAt, isOneOfWorkers = false }: ServerStatus,
  now: number,
): PageSection {
  return {
    kind: 'facts',
    heading: 'Process',
    caption: 'What runs, and since when.',
    delimiter: ': ',
    columns: ['Name', 'Value'],
    facts: [
      ['Started', dateText(startedAt)],
      ['Up', uptimeText(now - startedAt)],
      ['Version', version],
      ['Node.js version', process.version],
      ['Mode', mode],
      ...(isOneOfWorkers
        ? [['Workers', 'several; this is the status of the one that answered'] as const]
        : []),
    ],
  };
}

function policySection({ policy = [] }: ServerStatus): PageSection {
  return {
    kind: 'table',
    heading: 'Policy sources',
    caption: 'Whether each is in step, and for how long it has not been.',
    columns: ['Source', 'State', 'Age', 'Holds'],
    rows: policy.map((source) => [
      source.layer,
      stateOf(source),
      source.state === 'syncing' ? '-' : durationText(source.ageMs),
      `${source.clusterRoles} roles, ${source.clusterRoleBindings} bindings`,
    ]),
  };
}

function stateOf({ state, reason, inForce }: PolicySourceStatus): string {
  const use = inForce ? state : `${state}, not in force`;
  return reason === undefined ? use : `${use}: ${withoutUrlSecrets(reason)}`;
}

function certificatesSection({ certificates = [] }: ServerStatus, now: number): PageSection {
  return {
    kind: 'table',
    heading: 'Certificates',
    caption: 'When the first certificate of each file expires.',
    columns: ['File', 'Expires', 'Days left'],
    rows: certificates.map(({ flag, file, expiresAt }) => [
      file === '' ? flag : `${flag}=${file}`,
      dateText(expiresAt),
      daysLeft(expiresAt, now),
    ]),
  };
}

function refusalsSection({ refusals = [] }: ServerStatus, now: number): PageSection {
  return {
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
  };
}

function upstreamsSection({ upstreams = [] }: ServerStatus): PageSection {
  return {
    kind: 'table',
    heading: 'Upstreams',
    caption: 'Whose metrics are passed on.',
    columns: ['Name', 'Address'],
    rows: upstreams.map(({ name, url }) => [name, withoutUrlSecrets(url)]),
  };
}
