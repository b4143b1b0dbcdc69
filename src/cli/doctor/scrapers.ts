import { authorization, pathsAllowedToAll } from '../../options/authorization-options.js';
import { gateway } from '../../options/gateway-options.js';
import type { GivenOptions, Option } from '../../options/option.js';
import { accessReviewerOf } from '../../options/reviewer-options.js';
import { servedPaths } from '../../options/serving-options.js';
import { alwaysAllowPaths, isDiscoveryPath, isResourcePath } from '../../paths/always-allow.js';
import { describeSubject, type Subject } from '../../policy/objects.js';
import { bootstrapLayer } from '../../policy/open-policy.js';
import type { Policy } from '../../policy/policy.js';
import { allowedPaths, ignoredPaths } from '../../request/steps/listed-paths.js';
import { requestVerbs } from '../why-not.js';
import { authenticationAdvice, callersOf, matchFault, type Callers } from './callers.js';
import { about, finding, type Finding } from './finding.js';

/** Subjects that RBAC grants scraping to. */
export interface Granted {
  /** By bindings made for metrics. */
  readonly scrapers: readonly Subject[];
  /** By kcp's own bindings, and by those that grant everything. */
  readonly administrators: readonly Subject[];
}

const path = '/metrics';
const maxNamed = 5;

/**
 * Checks that someone may scrape, and that it is intended. `given`: all flags, also invalid ones, which clients could use
 * once they are fixed; `granted`: undefined without RBAC or without a policy.
 */
export function scrapersFinding(usable: GivenOptions, given: GivenOptions, granted?: Granted): Finding {
  const at = about('scrapers', `GET ${path}`);
  const openedBy = optionOpening(usable);
  if (openedBy !== undefined) {
    const advice = 'anyone who reaches the server may scrape; remove it unless that is intended';
    return at('warning', `is in ${openedBy.name}: ${advice}`);
  }
  const callers = callersOf(given);
  const isReachable = (subject: Subject): boolean =>
    matchFault(subject, callers) === undefined &&
    (callers.authenticated || ['system:anonymous', 'system:unauthenticated'].includes(subject.name));
  const scrapers = (granted?.scrapers ?? []).filter(isReachable);
  if (scrapers.length > 0) return at('ok', `is granted to ${listed(scrapers)}`);
  const others = [
    ...(callers.authenticated ? alwaysAllowedGroups(usable) : []),
    ...(granted?.administrators ?? []).filter(isReachable),
  ];
  // A review server is asked what RBAC does not grant.
  if (accessReviewerOf(usable) !== undefined) {
    const known = others.length === 0 ? 'nobody' : listed(others);
    return at('ok', `is granted to ${known} here, and to clients that the review server allows`);
  }
  if (others.length === 0) {
    const advice = adviceFor(callers, granted !== undefined);
    return at('error', `is granted to no one, so every scrape would be refused: ${advice}`);
  }
  // kcp's cache server has no RBAC either: the always-allow groups are enough.
  return granted === undefined
    ? at('ok', `is granted to ${listed(others)}, because there is no policy`)
    : at('warning', `is granted only to ${listed(others)}: ${adviceFor(callers, true)}`);
}

/** The option that lets everybody scrape. */
function optionOpening(usable: GivenOptions): Option | undefined {
  const { authorizationAlwaysAllowPaths } = authorization.options;
  if (alwaysAllowPaths(pathsAllowedToAll(usable))(path)) return authorizationAlwaysAllowPaths;
  const isIgnored = ignoredPaths(servedPaths.read(usable).ignorePaths)(path);
  return isIgnored ? servedPaths.options.ignorePaths : undefined;
}

function alwaysAllowedGroups(usable: GivenOptions): readonly Subject[] {
  const { authorizationOrder, authorizationAlwaysAllowGroups: groups } = authorization.read(usable);
  if (!authorizationOrder.includes('AlwaysAllowGroups')) return [];
  return groups.filter((name) => name !== '').map((name) => ({ kind: 'Group', name }));
}

export function servedPathFindings(values: GivenOptions): readonly Finding[] {
  const { allowPaths } = servedPaths.read(values);
  if (allowPaths.length === 0 || allowedPaths(allowPaths)(path)) return [];
  const message = `does not include ${path}, so every scrape of it is answered 404: add it unless that is intended`;
  return [finding('warning', 'scrapers', servedPaths.options.allowPaths.name, message)];
}

/** Whether a rule grants anything on each path of the gateway; what an API server says of it is not known here. */
export function gatewayFindings(values: GivenOptions, policy: Policy): readonly Finding[] {
  const isDelegated = accessReviewerOf(values) !== undefined;
  const { name } = gateway.options.gatewayPath;
  return [...gateway.read(values).gatewayPath.keys()].flatMap((passed) => {
    const isByName = isResourcePath(passed) || isDiscoveryPath(passed);
    // What is below a path may be granted one by one.
    if (passed.endsWith('/*') || (isDelegated && !isByName)) return [];
    const granted = requestVerbs.filter((verb) =>
      [...policy.grantsOf(verb, passed, isByName)].some(({ layer }) => layer !== bootstrapLayer),
    );
    const at = about('scrapers', `${name} ${passed}`);
    if (granted.length > 0) return [at('ok', `is granted for ${granted.join(', ')}`)];
    const how = isByName ? 'names this very path, no prefix of it' : 'grants it';
    const advice = `bind a ClusterRole that ${how}, with verb post`;
    return [at('warning', `no rule grants it, so clients are answered 403: ${advice}`)];
  });
}

function adviceFor({ authenticated }: Callers, hasPolicy: boolean): string {
  if (!authenticated) return authenticationAdvice;
  return hasPolicy
    ? 'bind the scraper to system:kcp:metrics-reader, as rbac/prometheus-user.yaml does'
    : `name a group in ${authorization.options.authorizationAlwaysAllowGroups.name}, or a policy`;
}

function listed(subjects: readonly Subject[]): string {
  const names = [...new Set(subjects.map(describeSubject))];
  const more = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
