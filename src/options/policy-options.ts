import { serverKindOf } from './general-options.js';
import {
  excludes,
  fault,
  flagName,
  isGiven,
  topic,
  valueOf,
  type GivenOptions,
  type Option,
} from './option.js';
import { boolean, directory, duration, file, kubeconfigFile } from './option-kinds.js';
import { presentOnly } from '../present-only.js';
import {
  cachePolicySource,
  rootPolicySource,
  systemAdminPolicySource,
  workspacesPolicySource,
  type ApiServerObserver,
} from '../policy/sources/api-server.js';
import type { ReloadResult } from '../files/followed-files.js';
import { directoryPolicySource } from '../policy/sources/directory.js';
import type { PolicySource } from '../policy/policy-source.js';
import { usageError } from './usage-error.js';

const root = flagName('rootKubeconfig');

/** Where the policy comes from, and how it is kept. */
export const policy = topic('Policy', {
  rbacDir: directory().help(
    'directory of ClusterRole and ClusterRoleBinding manifests of the root workspace, reloaded on change',
  ),
  rootKubeconfig: kubeconfigFile().help(
    'kubeconfig of the root workspace, or of a plain Kubernetes cluster, whose ClusterRoles and ClusterRoleBindings are watched',
  ),
  cacheKubeconfig: kubeconfigFile().help(
    `kubeconfig of a kcp cache server whose replica of the root workspace is watched; with ${root} it is only the fallback`,
  ),
  bootstrapPolicy: boolean(true, 'live').help(
    `add kcp's bootstrap roles and bindings to those of the root workspace: true, false, or live to watch /clusters/system:admin of ${root}`,
  ),
  maxPolicyStaleness: duration().help(
    `how long a policy, or the names of ${flagName('virtualCluster')}, stay in use after their source was lost, such as 1h; unset: no limit`,
  ),
  policySnapshot: file().help(
    'file that stores the policy of the API servers, to start from (stale) if they are down at a restart',
  ),
});

export const workspaceSources = topic(
  'Metrics of one workspace',
  {
    workspaceRbacDir: directory().help(
      'directory of the LogicalCluster, ClusterRole and ClusterRoleBinding manifests of workspaces, told apart by the annotation kcp.io/cluster; reloaded on change',
    ),
    workspaceKubeconfig: kubeconfigFile().help(
      'kubeconfig of a kcp shard and a user of system:masters; the policy of all its workspaces is watched at /clusters/*',
    ),
  },
  [excludes('workspaceKubeconfig', 'workspaceRbacDir')],
);

export function namesPolicySource(given: GivenOptions): boolean {
  const { rbacDir, rootKubeconfig, cacheKubeconfig } = policy.options;
  return [rbacDir, rootKubeconfig, cacheKubeconfig].some((option) => isGiven(given, option));
}

/** Whether RBAC is checked: a cache server checks none unless an option names a source. */
export function hasPolicy(given: GivenOptions): boolean {
  return serverKindOf(given) === 'shard' || namesPolicySource(given);
}

/** The option behind a layer of the policy. */
export function sourceOption(layer: string): Option {
  const { rbacDir, rootKubeconfig: root, cacheKubeconfig: cache, bootstrapPolicy } = policy.options;
  const { workspaceKubeconfig: workspaces } = workspaceSources.options;
  const byLayer: Readonly<Record<string, Option>> = { root, cache, bootstrap: bootstrapPolicy, workspaces };
  return byLayer[layer] ?? rbacDir;
}

type FileOption = Option<string | undefined>;

export interface PolicySourceEvents {
  /** Warns of policy that likely does not do what was meant. */
  readonly onWarning?: (message: string) => void;
  readonly onReload?: (source: string, result: ReloadResult) => void;
  readonly observerOf?: (source: string) => ApiServerObserver;
}

export type PolicySources = ReturnType<typeof policySourcesOf>;

/** The sources that the options describe; their errors name the option. @throws UsageError naming the option. */
export function policySourcesOf(given: GivenOptions, events: PolicySourceEvents = {}) {
  const { onWarning = () => undefined, onReload, observerOf } = events;
  const { rbacDir, rootKubeconfig, cacheKubeconfig, bootstrapPolicy, policySnapshot } = policy.options;
  const values = policy.read(given);
  workspaceSources.read(given);
  const { workspaceRbacDir, workspaceKubeconfig } = workspaceSources.options;
  const servers = [rootKubeconfig, cacheKubeconfig, workspaceKubeconfig];
  if (isGiven(given, policySnapshot) && !servers.some((server) => isGiven(given, server))) {
    throw fault(policySnapshot, `needs ${servers.map(({ name }) => name).join(' or ')}`);
  }
  const inDirectory = (name: string, option: FileOption, ofWorkspaces = false) => {
    const directory = valueOf(option, given);
    if (directory === undefined) return [];
    const reloaded = (result: ReloadResult): void => onReload?.(name, result);
    const options = { name, directory, ofWorkspaces, onWarning, onReload: reloaded };
    return [blamingSource(option, directoryPolicySource(options))];
  };
  const onServer = (name: string, option: FileOption, sourceOf: typeof rootPolicySource) => {
    const kubeconfig = valueOf(option, given);
    if (kubeconfig === undefined) return [];
    const warning = (message: string): void => {
      onWarning(`${name}: ${message}`);
    };
    return [blamingSource(option, sourceOf({ kubeconfig, observer: { ...observerOf?.(name), warning } }))];
  };
  const ofRoot = onServer('root', rootKubeconfig, rootPolicySource);
  const ofCache = onServer('cache', cacheKubeconfig, cachePolicySource);
  const isLive = values.bootstrapPolicy === 'live';
  if (isLive && ofRoot.length === 0) throw fault(bootstrapPolicy, `live needs ${rootKubeconfig.name}`);
  const [live] = isLive ? onServer('bootstrap', rootKubeconfig, systemAdminPolicySource) : [];
  const [ofWorkspaces] = [
    ...inDirectory('workspaces', workspaceRbacDir, true),
    ...onServer('workspaces', workspaceKubeconfig, workspacesPolicySource),
  ];
  return {
    sources: [...inDirectory('directory', rbacDir), ...ofRoot, ...ofCache],
    fallbacks: new Map(ofRoot.length > 0 && ofCache.length > 0 ? [['root', 'cache']] : []),
    bootstrap: live ?? values.bootstrapPolicy !== false,
    ...presentOnly({
      maxStalenessMs: values.maxPolicyStaleness,
      workspaces: ofWorkspaces && {
        source: ofWorkspaces,
        requiresLogicalCluster: isGiven(given, workspaceKubeconfig),
      },
    }),
  };
}

/** Errors while the source starts name its option. */
function blamingSource({ name }: Option, source: PolicySource): PolicySource {
  const blame = (error: unknown): never => {
    throw usageError(name, error);
  };
  return {
    name: source.name,
    get origin() {
      return source.origin;
    },
    open: async () => {
      await source.open?.().catch(blame);
    },
    start: (sink) => source.start(sink).catch(blame),
    close: () => source.close(),
  };
}
