import { alwaysAllowGroups } from '../authorization/always-allow-groups.js';
import { alwaysAllowPaths } from '../authorization/always-allow-paths.js';
import type { Authorizer } from '../authorization/authorizer.js';
import { rbacAuthorizer } from '../authorization/rbac.js';
import { directoryPolicySource } from '../policy-sources/directory.js';
import { openPolicy, type OpenPolicy } from '../policy-sources/open-policy.js';
import type { PolicySource } from '../policy-sources/policy-source.js';
import type { Policy } from '../rbac/policy.js';
import { parseBoolean, parseChoice, parseDuration } from './flag-values.js';
import { booleanOf, listOf, valueOf, type Flag, type FlagValues } from './flags.js';
import { UsageError, usageError } from './usage-error.js';

export const rbacDir: Flag = {
  name: '--rbac-dir',
  value: 'directory',
  description:
    'directory of ClusterRole and ClusterRoleBinding manifests of the root workspace, reloaded on change',
};
export const bootstrapPolicyFlag: Flag = {
  name: '--bootstrap-policy',
  default: 'true',
  description: "whether kcp's own roles and bindings stand behind those of the root workspace",
};
export const maxPolicyStaleness: Flag = {
  name: '--max-policy-staleness',
  value: 'duration',
  description: 'how long a policy may decide after its source was lost, such as 1h; without it, for ever',
};
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
const authorizerNames = ['AlwaysAllowGroups', 'AlwaysAllowPaths', 'RBAC'] as const;
export type AuthorizerName = (typeof authorizerNames)[number];

const authorizationOrder: Flag = {
  name: '--authorization-order',
  value: 'authorizers',
  isList: true,
  default: authorizerNames.join(','),
  description:
    'authorizers in the order they are asked, the first opinion wins; one that is left out is not asked',
};

/** Where a policy comes from: every command that decides takes them. */
export const policyFlags: readonly Flag[] = [rbacDir, bootstrapPolicyFlag];

/** Who is allowed, and in which order that is asked. */
export const authorizationFlags: readonly Flag[] = [
  alwaysAllowPathsFlag,
  alwaysAllowGroupsFlag,
  authorizationOrder,
];

export interface PolicyEvents {
  /** What is written in the policy but will not do what was likely meant. */
  readonly onWarning: (message: string) => void;
  readonly onReload?: (
    source: string,
    result: { result: 'success' } | { result: 'failure'; message: string },
  ) => void;
}

/** How a policy is kept, wherever it comes from. @throws UsageError naming the flag. */
export function policyOptionsOf(values: FlagValues): {
  readonly bootstrap: boolean;
  readonly maxStalenessMs?: number;
} {
  const staleness = valueOf(values, maxPolicyStaleness);
  return {
    bootstrap: parseBoolean(bootstrapPolicyFlag.name, booleanOf(values, bootstrapPolicyFlag)),
    ...(staleness === undefined ? {} : { maxStalenessMs: parseDuration(maxPolicyStaleness.name, staleness) }),
  };
}

/** Opens the policy that the flags describe, and follows it. @throws UsageError naming the flag. */
export async function openPolicyOf(
  values: FlagValues,
  { onWarning, onReload }: PolicyEvents,
): Promise<OpenPolicy> {
  const options = {
    ...policyOptionsOf(values),
    sources: sourcesOf(values, onWarning, onReload),
    onChange: danglingBindingWarnings(onWarning),
  };
  try {
    return await openPolicy(options);
  } catch (error) {
    throw usageError(rbacDir.name, error);
  }
}

/** The policy for one answer: its warnings are printed once it is open, so that a fault is one line alone. */
export async function openPolicyOffline(
  values: FlagValues,
  printError: (line: string) => void,
): Promise<OpenPolicy> {
  const warnings: string[] = [];
  const open = await openPolicyOf(values, { onWarning: (message) => warnings.push(message) });
  warnings.forEach((message) => {
    printError(message);
  });
  return open;
}

/** A policy that is reloaded with ever new faults must not fill the memory with them. */
const maxRemembered = 1000;

function danglingBindingWarnings(warn: (message: string) => void): (policy: Policy) => void {
  const said = new Set<string>();
  return (policy) => {
    for (const { name, role, origin = 'policy' } of policy.danglingBindings()) {
      const message = `${origin}: ClusterRoleBinding ${JSON.stringify(name)} names ClusterRole ${JSON.stringify(role)}, which is missing: it grants nothing`;
      if (said.has(message)) continue;
      if (said.size >= maxRemembered) said.clear();
      said.add(message);
      warn(message);
    }
  };
}

/** Whether any flag names a source. */
export function namesPolicySource(values: FlagValues): boolean {
  return valueOf(values, rbacDir) !== undefined;
}

function sourcesOf(
  values: FlagValues,
  onWarning: PolicyEvents['onWarning'],
  onReload: PolicyEvents['onReload'],
): readonly PolicySource[] {
  const directory = valueOf(values, rbacDir);
  if (directory === undefined) return [];
  return [
    directoryPolicySource({
      directory,
      onWarning,
      onReload: (result) => onReload?.('directory', result),
    }),
  ];
}

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

/** The authorizers in the order the flags give. @throws UsageError naming the flag. */
export function authorizersOf(values: FlagValues, policy: Policy | undefined): readonly Authorizer[] {
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
