import { alwaysAllowGroups } from '../authorization/always-allow-groups.js';
import { alwaysAllowPaths } from '../authorization/always-allow-paths.js';
import type { Authorizer } from '../authorization/authorizer.js';
import { rbacAuthorizer } from '../authorization/rbac.js';
import { directoryPolicySource } from '../policy-sources/directory.js';
import { openPolicy, type OpenPolicy } from '../policy-sources/open-policy.js';
import type { PolicySource } from '../policy-sources/policy-source.js';
import type { Policy } from '../rbac/policy.js';
import { parseBoolean, parseDuration } from './flag-values.js';
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
export const authorizationOrder: Flag = {
  name: '--authorization-order',
  value: 'authorizers',
  isList: true,
  default: 'AlwaysAllowGroups,AlwaysAllowPaths,RBAC',
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
  readonly onWarning?: (message: string) => void;
  readonly onReload?: (
    source: string,
    result: { result: 'success' } | { result: 'failure'; message: string },
  ) => void;
  readonly onChange?: (policy: Policy) => void;
}

/** Opens the policy that the flags describe. @throws UsageError naming the flag. */
export async function openPolicyOf(values: FlagValues, events: PolicyEvents = {}): Promise<OpenPolicy> {
  const staleness = valueOf(values, maxPolicyStaleness);
  const { onChange, onWarning, onReload } = events;
  const options = {
    sources: sourcesOf(values, onWarning, onReload),
    bootstrap: parseBoolean(bootstrapPolicyFlag.name, booleanOf(values, bootstrapPolicyFlag)),
    ...(staleness === undefined ? {} : { maxStalenessMs: parseDuration(maxPolicyStaleness.name, staleness) }),
    ...(onChange === undefined ? {} : { onChange }),
  };
  try {
    return await openPolicy(options);
  } catch (error) {
    throw usageError(rbacDir.name, error);
  }
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
      ...(onWarning === undefined ? {} : { onWarning }),
      onReload: (result) => onReload?.('directory', result),
    }),
  ];
}

/** The authorizers in the order the flags give. @throws UsageError naming the flag. */
export function authorizersOf(values: FlagValues, policy: Policy | undefined): readonly Authorizer[] {
  const makers = new Map<string, () => Authorizer | undefined>([
    ['AlwaysAllowGroups', () => alwaysAllowGroups(listOf(values, alwaysAllowGroupsFlag))],
    ['AlwaysAllowPaths', () => pathsAuthorizer(values)],
    ['RBAC', () => (policy === undefined ? undefined : rbacAuthorizer({ policy }))],
  ]);
  // A pattern that cannot be read ends the start even where the order leaves its authorizer out.
  pathsAuthorizer(values);
  const order = listOf(values, authorizationOrder);
  const authorizers: Authorizer[] = [];
  for (const [at, name] of order.entries()) {
    const make = makers.get(name);
    if (make === undefined) {
      const choices = [...makers.keys()].join(', ');
      throw new UsageError(`${authorizationOrder.name}: ${JSON.stringify(name)} is not one of ${choices}`);
    }
    if (order.indexOf(name) !== at)
      throw new UsageError(`${authorizationOrder.name}: ${name} stands there twice`);
    const authorizer = make();
    if (authorizer !== undefined) authorizers.push(authorizer);
  }
  return authorizers;
}

function pathsAuthorizer(values: FlagValues): Authorizer {
  try {
    return alwaysAllowPaths(listOf(values, alwaysAllowPathsFlag));
  } catch (error) {
    throw usageError(alwaysAllowPathsFlag.name, error);
  }
}
