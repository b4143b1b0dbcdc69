import { type Authorizer, alwaysAllowGroups, alwaysAllowPaths } from '../../authorization/authorizer.js';
import { rbacAuthorizer } from '../../authorization/rbac.js';
import type { Policy } from '../../policy/policy.js';
import { parseChoice } from '../flag-values.js';
import { isGiven, listOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';

export const alwaysAllowPathsFlag: Flag = {
  name: '--authorization-always-allow-paths',
  value: 'paths',
  isList: true,
  default: '/healthz,/readyz,/livez',
  description: 'paths allowed to everybody; a single trailing * is a prefix',
};
export const alwaysAllowGroupsFlag: Flag = {
  name: '--authorization-always-allow-groups',
  value: 'groups',
  isList: true,
  default: 'system:masters',
  description: 'groups allowed everything',
};
const authorizerNames = ['AlwaysAllowGroups', 'AlwaysAllowPaths', 'RBAC', 'Webhook'] as const;
export type AuthorizerName = (typeof authorizerNames)[number];

export const authorizationOrder: Flag = {
  name: '--authorization-order',
  value: 'authorizers',
  isList: true,
  choices: authorizerNames,
  default: authorizerNames.join(','),
  description:
    'authorizers in the order they are asked, the first opinion wins; one that is left out is not asked',
};

/** Who is allowed, and in which order that is asked. */
export const authorizationFlags: readonly Flag[] = [
  alwaysAllowPathsFlag,
  alwaysAllowGroupsFlag,
  authorizationOrder,
];

/** The authorizers' names in the order they are asked. @throws UsageError naming the flag. */
export function authorizationOrderOf(values: FlagValues): readonly AuthorizerName[] {
  const order = listOf(values, authorizationOrder).map((name) =>
    parseChoice(authorizationOrder.name, name, authorizerNames),
  );
  if (order.length === 0) throw new UsageError(`${authorizationOrder.name}: names no authorizer`);
  const twice = order.find((name, at) => order.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`${authorizationOrder.name}: ${twice} stands there twice`);
  return order;
}

/** The paths that pass before anyone is asked who is there: none where the order leaves their authorizer out. */
export function pathsAllowedToAll(values: FlagValues): readonly string[] {
  const isAsked = authorizationOrderOf(values).includes('AlwaysAllowPaths');
  return isAsked ? listOf(values, alwaysAllowPathsFlag) : [];
}

/** @throws UsageError naming the flag. */
export function asksWebhook(values: FlagValues): boolean {
  return authorizationOrderOf(values).includes('Webhook');
}

/** For commands that answer offline. @throws UsageError naming the flag. */
export function sayWhoIsNotAsked(values: FlagValues, printError: (line: string) => void): void {
  if (!isGiven(values, authorizationOrder) || !asksWebhook(values)) return;
  printError(`${authorizationOrder.name}: Webhook is not asked here`);
}

/** What stands behind RBAC and Webhook; without it, they are not asked. */
export interface AuthorizationSources {
  readonly policy?: Policy | undefined;
  readonly webhook?: Authorizer | undefined;
}

/** The authorizers in the order the flags give. @throws UsageError naming the flag. */
export function authorizersOf(
  values: FlagValues,
  { policy, webhook }: AuthorizationSources = {},
): readonly Authorizer[] {
  // A pattern that cannot be read ends the start even where the order leaves its authorizer out.
  const paths = pathsAuthorizer(values);
  return authorizationOrderOf(values).flatMap((name) => {
    switch (name) {
      case 'AlwaysAllowGroups':
        return [alwaysAllowGroups(listOf(values, alwaysAllowGroupsFlag))];
      case 'AlwaysAllowPaths':
        return [paths];
      case 'RBAC':
        return policy === undefined ? [] : [rbacAuthorizer({ policy })];
      case 'Webhook':
        return webhook === undefined ? [] : [webhook];
    }
  });
}

function pathsAuthorizer(values: FlagValues): Authorizer {
  try {
    return alwaysAllowPaths(listOf(values, alwaysAllowPathsFlag));
  } catch (error) {
    throw usageError(alwaysAllowPathsFlag.name, error);
  }
}
