import {
  alwaysAllowGroups,
  alwaysAllowPaths,
  type Authorizer,
  rbacAuthorizer,
} from '../authorization/authorizer.js';
import type { Policy } from '../policy/policy.js';
import { blaming, topic, type GivenOptions } from './option.js';
import { choices, list, parsed } from './option-kinds.js';

const authorizerNames = ['AlwaysAllowGroups', 'AlwaysAllowPaths', 'RBAC', 'Webhook'] as const;
export type AuthorizerName = (typeof authorizerNames)[number];

/** Who is allowed, and in which order the authorizers run. */
export const authorization = topic('Authorization', {
  authorizationAlwaysAllowPaths: list('paths', ['/healthz', '/readyz', '/livez']).help(
    'paths that everyone may read, without authentication; a trailing * matches any suffix',
  ),
  authorizationAlwaysAllowGroups: list('groups', ['system:masters']).help('groups allowed everything'),
  authorizationOrder: parsed(choices('authorizers', authorizerNames, authorizerNames), (order) => {
    if (order.length === 0) throw new RangeError('must list an authorizer');
    const twice = order.find((name, at) => order.indexOf(name) !== at);
    if (twice !== undefined) throw new RangeError(`${twice} is listed twice`);
    return order;
  }).help(
    'authorizers in the order they run; the first allow or deny decides; an authorizer that is not listed does not run',
  ),
});

/** The paths that are allowed before authentication: none if the order leaves out their authorizer. */
export function pathsAllowedToAll(given: GivenOptions): readonly string[] {
  const { authorizationOrder, authorizationAlwaysAllowPaths } = authorization.read(given);
  return authorizationOrder.includes('AlwaysAllowPaths') ? authorizationAlwaysAllowPaths : [];
}

export function asksWebhook(given: GivenOptions): boolean {
  return authorization.read(given).authorizationOrder.includes('Webhook');
}

/**
 * The authorizers in the order the options give; without a policy or a webhook, those that ask it are left out.
 * @throws UsageError naming the option.
 */
export function authorizersOf(
  given: GivenOptions,
  {
    policy,
    webhook,
  }: { readonly policy?: Policy | undefined; readonly webhook?: Authorizer | undefined } = {},
): readonly Authorizer[] {
  const values = authorization.read(given);
  // An invalid pattern fails the start even if the order leaves out its authorizer.
  const paths = blaming(authorization.options.authorizationAlwaysAllowPaths, () =>
    alwaysAllowPaths(values.authorizationAlwaysAllowPaths),
  );
  return values.authorizationOrder.flatMap((name) => {
    switch (name) {
      case 'AlwaysAllowGroups':
        return [alwaysAllowGroups(values.authorizationAlwaysAllowGroups)];
      case 'AlwaysAllowPaths':
        return [paths];
      case 'RBAC':
        return policy === undefined ? [] : [rbacAuthorizer({ policy })];
      case 'Webhook':
        return webhook === undefined ? [] : [webhook];
    }
  });
}
