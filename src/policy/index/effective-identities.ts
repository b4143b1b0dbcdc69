import { serviceAccountSuffix } from '../objects.js';

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
  if (![scopesKey, clusterNameKey, warrantKey].some((key) => caller.extra[key] !== undefined))
    return [caller];
  const walk = new Walk(cluster);
  walk.add(caller, 0);
  if (walk.outOfBounds) return undefined;
  return [...walk.identities, ...walk.substitutes(caller)];
}

class Walk {
  readonly identities: EffectiveIdentity[] = [];
  outOfBounds = false;
  #authenticatedElsewhere = false;
  #unauthenticatedElsewhere = false;

  constructor(readonly cluster: string) {}

  add(caller: Caller, depth: number): void {
    if (depth > maxWarrantDepth || this.identities.length >= maxIdentities) this.outOfBounds = true;
    if (this.outOfBounds) return;
    if (isInScope(caller, this.cluster)) this.identities.push(caller);
    else if (caller.groups.includes(authenticated)) this.#authenticatedElsewhere = true;
    else this.#unauthenticatedElsewhere = true;
    const foreign = foreignServiceAccount(caller);
    if (foreign !== undefined) this.identities.push(foreign);
    for (const text of caller.extra[warrantKey] ?? []) this.#addWarrant(text, depth + 1);
  }

  /** A caller that is out of scope here still counts as anonymous. */
  *substitutes(outermost: Caller): Generator<EffectiveIdentity> {
    if (this.#authenticatedElsewhere) {
      yield { name: anonymous, groups: [authenticated, ...clusterGroups(outermost)] };
    }
    if (this.#unauthenticatedElsewhere) yield { name: anonymous, groups: [unauthenticated] };
  }

  #addWarrant(text: string, depth: number): void {
    const warrant = parseWarrant(text);
    if (warrant === undefined) return;
    // Without its home cluster, a service account's name is ambiguous.
    if (serviceAccountSuffix(warrant.name) !== undefined && !warrant.extra[clusterNameKey]?.length) return;
    this.add({ ...warrant, groups: [...warrant.groups, ...clusterGroups(warrant)] }, depth);
  }
}

function isInScope(caller: Caller, cluster: string): boolean {
  const home = caller.extra[clusterNameKey] ?? [];
  const isForeign =
    serviceAccountSuffix(caller.name) !== undefined &&
    home.length > 0 &&
    !(home.length === 1 && home[0] === cluster);
  return !isForeign && scopeValues(caller).every((scopes) => scopes.has(clusterScope + cluster));
}

function foreignServiceAccount(caller: Caller): EffectiveIdentity | undefined {
  const suffix = serviceAccountSuffix(caller.name);
  const home = caller.extra[clusterNameKey] ?? [];
  const [homeCluster] = home;
  if (suffix === undefined || homeCluster === undefined || home.length > 1) return undefined;
  return {
    name: `system:kcp:serviceaccount:${homeCluster}:${suffix}`,
    groups: [...(caller.groups.includes(authenticated) ? [authenticated] : []), ...clusterGroups(caller)],
  };
}

/** `system:cluster:<c>` for each cluster that every one of the caller's scope values holds. */
function clusterGroups(caller: Caller): readonly string[] {
  const [first, ...others] = scopeValues(caller);
  if (first === undefined) return [];
  return [...first]
    .filter((scope) => scope.startsWith(clusterScope) && others.every((scopes) => scopes.has(scope)))
    .map((scope) => `system:cluster:${scope.slice(clusterScope.length)}`);
}

function scopeValues(caller: Caller): readonly ReadonlySet<string>[] {
  return (caller.extra[scopesKey] ?? []).map((value) => new Set(value.split(',')));
}

/**
 * Reads one value of `authorization.kcp.io/warrant`: as whom, too, its holder may act. Keys are case-sensitive, unknown
 * ones are ignored. Undefined for bad JSON or a field of the wrong type, as kcp ignores such a warrant.
 */
function parseWarrant(text: string): Caller | undefined {
  try {
    const { user, uid, groups, extra } = membersOf(JSON.parse(text));
    textOf(uid);
    const lists = Object.entries(membersOf(extra)).map(([key, list]) => [key, textsOf(list)] as const);
    return { name: textOf(user), groups: textsOf(groups), extra: Object.fromEntries(lists) };
  } catch {
    return undefined;
  }
}

// Go decodes null into the zero value, as it does what is missing.

function textOf(value: unknown): string {
  if (typeof (value ?? '') === 'string') return (value ?? '') as string;
  throw new TypeError('not a string');
}

function textsOf(value: unknown): readonly string[] {
  if (Array.isArray(value ?? [])) return ((value ?? []) as unknown[]).map(textOf);
  throw new TypeError('not a list');
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof (value ?? {}) === 'object' && !Array.isArray(value)) return { ...(value as object | null) };
  throw new TypeError('not an object');
}
