import { type Subject, describeSubject } from '../../policy/objects.js';
import { finding, type Finding } from './finding.js';
import { matchFault, type Callers } from './subject-match.js';

/** Who is allowed to get `/metrics`, and by what. */
export interface Scrapers {
  readonly callers: Callers;
  /** Always-allow groups that are asked for. */
  readonly groups: readonly string[];
  /** The flag that lets everybody read `/metrics`, if one does. */
  readonly openedBy?: string | undefined;
  /** Whether another server is asked what RBAC does not grant. */
  readonly isDelegated?: boolean;
  /** Subjects that RBAC grants it to; undefined where nobody asks RBAC, or there is no policy. */
  readonly granted?: {
    /** By bindings that somebody made for it. */
    readonly scrapers: readonly Subject[];
    /** By kcp's own bindings, and by those that grant everything. */
    readonly administrators: readonly Subject[];
  };
}

const subjectName = 'GET /metrics';
const maxNamed = 5;

/** Whether anybody can scrape at all, and whether it is somebody that a person meant. */
export function scraperFinding({
  callers,
  groups,
  openedBy,
  isDelegated = false,
  granted,
}: Scrapers): Finding {
  const reachable = (subjects: readonly Subject[]): readonly Subject[] =>
    subjects.filter(
      (subject) =>
        matchFault(subject, callers) === undefined && (callers.authenticated || !needsCredentials(subject)),
    );
  const scrapers = reachable(granted?.scrapers ?? []);
  const others = [
    ...(callers.authenticated ? groups.map((name): Subject => ({ kind: 'Group', name })) : []),
    ...reachable(granted?.administrators ?? []),
  ];
  if (openedBy !== undefined) {
    return finding(
      'warning',
      'scrapers',
      subjectName,
      `is among ${openedBy}: everybody who reaches the server may scrape; take it out unless that is meant`,
    );
  }
  if (scrapers.length > 0) return finding('ok', 'scrapers', subjectName, `is granted to ${listed(scrapers)}`);
  if (isDelegated) {
    const known = others.length === 0 ? 'nobody' : listed(others);
    return finding(
      'ok',
      'scrapers',
      subjectName,
      `is granted to ${known} here, and to whom the other server grants it`,
    );
  }
  if (others.length === 0) {
    return finding(
      'error',
      'scrapers',
      subjectName,
      `is granted to nobody: every scrape would be refused; ${adviceFor(callers, granted !== undefined)}`,
    );
  }
  // A cache server has no RBAC in kcp either: only the always-allow groups are meant.
  return granted === undefined
    ? finding('ok', 'scrapers', subjectName, `is granted to ${listed(others)}, because no policy is asked`)
    : finding(
        'warning',
        'scrapers',
        subjectName,
        `is granted to ${listed(others)} and to nobody else: ${adviceFor(callers, true)}`,
      );
}

function needsCredentials({ name }: Subject): boolean {
  return name !== 'system:anonymous' && name !== 'system:unauthenticated';
}

function adviceFor({ authenticated }: Callers, hasPolicy: boolean): string {
  if (!authenticated)
    return 'configure --client-ca-file, --token-auth-file or --requestheader-client-ca-file';
  return hasPolicy
    ? 'bind whoever scrapes to system:kcp:metrics-reader, as rbac/prometheus-user.yaml does'
    : 'name a group in --authorization-always-allow-groups, or a policy';
}

function listed(subjects: readonly Subject[]): string {
  const names = [...new Set(subjects.map(describeSubject))];
  const more = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
