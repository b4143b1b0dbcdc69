/** An authenticated user, as Kubernetes' `user.Info`. */
export interface Identity {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** The extra that names the credential itself, for audit logs. */
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

export const anonymousName = 'system:anonymous';
const authenticatedGroup = 'system:authenticated';
const unauthenticatedGroup = 'system:unauthenticated';

export const anonymousIdentity: Identity = Object.freeze({
  name: anonymousName,
  groups: Object.freeze([unauthenticatedGroup]),
  extra: Object.freeze({}),
});

/** An identity that nothing changes; an empty uid is none. */
export function frozenIdentity(
  name: string,
  groups: readonly string[],
  uid = '',
  extra: readonly (readonly [key: string, values: readonly string[]])[] = [],
): Identity {
  const lists = Object.fromEntries(extra.map(([key, values]) => [key, Object.freeze([...values])]));
  return Object.freeze({
    name,
    ...(uid === '' ? {} : { uid }),
    groups: Object.freeze([...groups]),
    // Without a prototype: `__proto__` is a key like any other.
    extra: Object.freeze(Object.setPrototypeOf(lists, null) as typeof lists),
  });
}

/** Adds `system:authenticated`, unless a front proxy has already sent one of the two groups, or the anonymous user. */
export function withAuthenticatedGroup(identity: Identity): Identity {
  const { name, groups } = identity;
  const isTold = groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup);
  return isTold || name === anonymousName
    ? identity
    : { ...identity, groups: [...groups, authenticatedGroup] };
}
