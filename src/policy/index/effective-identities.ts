import { serviceAccountSuffix } from './subjects.js';
import { parseWarrant } from './warrant.js';

/** A caller as an authenticator found him. */
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

/** kcp follows warrants without end; a caller beyond either bound is denied. */
const maxWarrantDepth = 16;
const maxIdentities = 256;

/**
 * kcp's effective users of a caller in a logical cluster: himself where his scopes and home cluster allow,
 * what a foreign service account is called here, and everybody whose warrant he carries. Undefined when the
 * warrants are nested deeper, or name more identities, than anyone needs: such a caller is to be denied.
 */
export function effectiveIdentities(
  caller: Caller,
  cluster: string,
): readonly EffectiveIdentity[] | undefined {
  if (!hasKcpExtra(caller.extra)) return [caller];
  const walk = new Walk(cluster);
  walk.add(caller, 0);
  if (walk.outOfBounds) return undefined;
  return [...walk.identities, ...walk.substitutes(caller)];
}

function hasKcpExtra(extra: Caller['extra']): boolean {
  return (
    extra[scopesKey] !== undefined || extra[clusterNameKey] !== undefined || extra[warrantKey] !== undefined
  );
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
    const abroad = foreignServiceAccount(caller);
    if (abroad !== undefined) this.identities.push(abroad);
    for (const text of caller.extra[warrantKey] ?? []) this.#addWarrant(text, depth + 1);
  }

  /** Whoever is out of scope here still is what anybody is. */
  *substitutes(outermost: Caller): Generator<EffectiveIdentity> {
    if (this.#authenticatedElsewhere) {
      yield { name: anonymous, groups: [authenticated, ...clusterGroups(outermost)] };
    }
    if (this.#unauthenticatedElsewhere) yield { name: anonymous, groups: [unauthenticated] };
  }

  #addWarrant(text: string, depth: number): void {
    const warrant = parseWarrant(text);
    if (warrant === undefined) return;
    // Without its home cluster nobody can tell whose service account it is.
    if (serviceAccountSuffix(warrant.user) !== undefined && !warrant.extra[clusterNameKey]?.length) return;
    const holder: Caller = { name: warrant.user, groups: warrant.groups, extra: warrant.extra };
    this.add({ ...holder, groups: [...holder.groups, ...clusterGroups(holder)] }, depth);
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
