import { isServiceAccountName, serviceAccountSuffix } from '../objects.js';

/** A client as an authenticator identified it. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** One of those whose bindings count for a caller. */
export interface EffectiveIdentity {
  readonly name: string;
  readonly groups: readonly string[];
}

export const clusterNameKey = 'authentication.kcp.io/cluster-name';
export const scopesKey = 'authentication.kcp.io/scopes';
export const warrantKey = 'authorization.kcp.io/warrant';

const anonymous = 'system:anonymous';
const authenticated = 'system:authenticated';
const unauthenticated = 'system:unauthenticated';
const clusterScope = 'cluster:';

/** kcp itself has no bounds; a caller beyond either of these is denied. */
const maxWarrantDepth = 16;
const maxIdentities = 256;

/**
 * kcp's effective users of a caller in a logical cluster: the caller itself where its scopes and home cluster allow, the
 * name that a foreign service account has here, and every user whose warrant it carries. Undefined when the warrants are
 * nested deeper, or name more identities, than they ever should: such a caller must be denied.
 */
export function effectiveIdentities(
  caller: Caller,
  cluster: string,
): readonly EffectiveIdentity[] | undefined {
  const { [scopesKey]: scopes, [clusterNameKey]: clusterName, [warrantKey]: warrants } = caller.extra;
  const isPlain = scopes === undefined && clusterName === undefined && warrants === undefined;
  return isPlain ? [caller] : identitiesOf(caller, cluster);
}

function identitiesOf(caller: Caller, cluster: string): readonly EffectiveIdentity[] | undefined {
  const identities: EffectiveIdentity[] = [];
  const outOfScope = { authenticated: false, unauthenticated: false };
  /** Whether the bounds were kept. */
  const add = (holder: Caller, depth: number): boolean => {
    if (depth > maxWarrantDepth || identities.length >= maxIdentities) return false;
    const scopes = scopesOf(holder);
    if (isInScope(holder, scopes, cluster)) identities.push(holder);
    else outOfScope[holder.groups.includes(authenticated) ? 'authenticated' : 'unauthenticated'] = true;
    const foreign = foreignServiceAccount(holder, scopes);
    if (foreign !== undefined) identities.push(foreign);
    return (holder.extra[warrantKey] ?? []).every((text) => {
      const warrant = parseWarrant(text);
      return warrant === undefined || add(warrant, depth + 1);
    });
  };
  if (!add(caller, 0)) return undefined;
  // A caller that is out of scope here still counts as anonymous.
  if (outOfScope.authenticated) {
    identities.push({ name: anonymous, groups: [authenticated, ...clusterGroups(scopesOf(caller))] });
  }
  if (outOfScope.unauthenticated) identities.push({ name: anonymous, groups: [unauthenticated] });
  return identities;
}

/**
 * As whom a caller acts in a logical cluster, leaving out its warrants: itself, by the name that a foreign service account
 * has there, or as anonymous.
 */
export function actingIdentity(caller: Caller, cluster: string): EffectiveIdentity {
  const scopes = scopesOf(caller);
  if (isInScope(caller, scopes, cluster)) return caller;
  const group = caller.groups.includes(authenticated) ? authenticated : unauthenticated;
  return (
    foreignServiceAccount(caller, scopes) ?? { name: anonymous, groups: [group, ...clusterGroups(scopes)] }
  );
}

function isInScope(caller: Caller, scopes: Scopes, cluster: string): boolean {
  const home = caller.extra[clusterNameKey] ?? [];
  const isForeign =
    isServiceAccountName(caller.name) && home.length > 0 && !(home.length === 1 && home[0] === cluster);
  return !isForeign && scopes.every((value) => value.includes(clusterScope + cluster));
}

function foreignServiceAccount(caller: Caller, scopes: Scopes): EffectiveIdentity | undefined {
  const home = caller.extra[clusterNameKey] ?? [];
  const [homeCluster] = home;
  if (!isServiceAccountName(caller.name) || homeCluster === undefined || home.length > 1) return undefined;
  const groups = clusterGroups(scopes);
  if (caller.groups.includes(authenticated)) groups.unshift(authenticated);
  return { name: nameElsewhere(homeCluster, caller.name), groups };
}

/**
 * What other logical clusters than its own call a service account. What is no account's name, which kcp cuts off all the
 * same, gets an empty part in between: in `a`, `system:serviceaccount:b:c:d` would be account `c:d` of `a:b`.
 */
export function nameElsewhere(home: string, userName: string): string {
  return `system:kcp:serviceaccount:${home}:${serviceAccountSuffix(userName) ?? `:${userName}`}`;
}

/** `system:cluster:<c>` for each cluster that every one of the caller's scope values holds. */
function clusterGroups([first = [], ...others]: Scopes): string[] {
  const ofOthers = others.map((value) => new Set(value));
  const groups: string[] = [];
  for (const scope of first.length > 1 ? new Set(first) : first) {
    if (scope.startsWith(clusterScope) && ofOthers.every((scopes) => scopes.has(scope)))
      groups.push(`system:cluster:${scope.slice(clusterScope.length)}`);
  }
  return groups;
}

/** The scopes in each of a caller's values. */
type Scopes = readonly (readonly string[])[];

function scopesOf(caller: Caller): Scopes {
  return (caller.extra[scopesKey] ?? []).map((value) => value.split(','));
}

/**
 * Reads one value of `authorization.kcp.io/warrant`: as which user its holder may act, too. Keys are case-sensitive,
 * unknown ones are ignored. Undefined for bad JSON or a field of the wrong type, as kcp ignores such a warrant.
 */
function parseWarrant(text: string): Caller | undefined {
  try {
    const { user, uid, groups, extra } = membersOf(JSON.parse(text));
    textOf(uid);
    const lists = Object.entries(membersOf(extra)).map(([key, list]) => [key, textsOf(list)] as const);
    const warrant = { name: textOf(user), groups: textsOf(groups), extra: Object.fromEntries(lists) };
    // Without its home cluster, a service account's name is ambiguous.
    if (isServiceAccountName(warrant.name) && !warrant.extra[clusterNameKey]?.length) {
      return undefined;
    }
    return { ...warrant, groups: [...warrant.groups, ...clusterGroups(scopesOf(warrant))] };
  } catch {
    return undefined;
  }
}

/** One for all, since making an error takes longer than reading a warrant. */
const wrongType = new TypeError('of the wrong type');

// Go decodes null into the zero value, which what is missing has as well.

function textOf(value: unknown): string {
  const text = value ?? '';
  if (typeof text === 'string') return text;
  throw wrongType;
}

function textsOf(value: unknown): readonly string[] {
  const list: unknown = value ?? [];
  if (Array.isArray(list)) return list.map(textOf);
  throw wrongType;
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  const object: unknown = value ?? {};
  if (typeof object === 'object' && !Array.isArray(object)) return { ...object };
  throw wrongType;
}
