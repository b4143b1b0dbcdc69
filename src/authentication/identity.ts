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

/** The user of a request without credentials. */
export const anonymousIdentity: Identity = Object.freeze({
  name: anonymousName,
  groups: Object.freeze([unauthenticatedGroup]),
  extra: Object.freeze({}),
});

/**
 * Adds `system:authenticated`, unless a front proxy has already sent one of the two groups, or the anonymous user.
 */
export function withAuthenticatedGroup(identity: Identity): Identity {
  const { name, groups } = identity;
  const isTold = groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup);
  return isTold || name === anonymousName
    ? identity
    : { ...identity, groups: [...groups, authenticatedGroup] };
}
