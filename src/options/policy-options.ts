import { excludes, flagName, isGiven, topic, type GivenOptions, type Option, fault } from './option.js';
import { boolean, directory, duration, file, kubeconfigFile } from './option-kinds.js';
import { given as presentOnly } from '../given.js';
import {
  cachePolicySource,
  rootPolicySource,
  systemAdminPolicySource,
  workspacesPolicySource,
  type ApiServerObserver,
} from '../policy/sources/api-server.js';
import { directoryPolicySource, type ReloadResult } from '../policy/sources/directory.js';
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
    'how long a policy stays in use after its source was lost, such as 1h; unset: no limit',
  ),
  policySnapshot: file().help(
    'file that stores the policy of the API servers, to start from (stale) if they are down at a restart',
  ),
});

/** Where the policy of the workspaces comes from. */
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

/** Whether any option names a source. */
export function namesPolicySource(given: GivenOptions): boolean {
  const { rbacDir, rootKubeconfig, cacheKubeconfig } = policy.options;
  return [rbacDir, rootKubeconfig, cacheKubeconfig].some((option) => isGiven(given, option));
}

/** The option behind a layer of the policy. */
export function sourceOption(layer: string): Option {
  const { rbacDir, rootKubeconfig, cacheKubeconfig, bootstrapPolicy } = policy.options;
  const { workspaceKubeconfig: workspaces } = workspaceSources.options;
  const byLayer = { root: rootKubeconfig, cache: cacheKubeconfig, bootstrap: bootstrapPolicy, workspaces };
  return new Map<string, Option>(Object.entries(byLayer)).get(layer) ?? rbacDir;
}

export interface PolicySourceEvents {
  /** Warns of policy that likely does not do what was meant. */
  readonly onWarning: (message: string) => void;
  readonly onReload?: (source: string, result: ReloadResult) => void;
  /** Observes the sources that are API servers. */
  readonly observerOf?: (source: string) => ApiServerObserver;
}

/** As `openPolicy` takes them. */
export type PolicySources = ReturnType<typeof policySourcesOf>;

/** The sources that the options describe; their errors name the option. @throws UsageError naming the option. */
export function policySourcesOf(
  given: GivenOptions,
  { onWarning, onReload, observerOf }: PolicySourceEvents,
) {
  const { options } = policy;
  const values = policy.read(given);
  const { rbacDir: directory, rootKubeconfig: root, cacheKubeconfig: cache } = values;
  const { workspaceRbacDir, workspaceKubeconfig } = workspaceSources.read(given);
  const servers = [
    options.rootKubeconfig,
    options.cacheKubeconfig,
    workspaceSources.options.workspaceKubeconfig,
  ];
  if (values.policySnapshot !== undefined && !servers.some((server) => isGiven(given, server))) {
    throw fault(options.policySnapshot, `needs ${servers.map(({ name }) => name).join(' or ')}`);
  }
  const observed = (source: string): ApiServerObserver => ({
    ...observerOf?.(source),
    warning: (message) => {
      onWarning(`${source}: ${message}`);
    },
  });
  const directorySource = (option: Option, name: string, path: string, ofWorkspaces: boolean): PolicySource =>
    blamingSource(
      option,
      directoryPolicySource({
        name,
        directory: path,
        ofWorkspaces,
        onWarning,
        onReload: (result) => onReload?.(name, result),
      }),
    );
  const ofWorkspaces =
    workspaceRbacDir === undefined
      ? workspaceKubeconfig !== undefined &&
        blamingSource(
          workspaceSources.options.workspaceKubeconfig,
          workspacesPolicySource({ kubeconfig: workspaceKubeconfig, observer: observed('workspaces') }),
        )
      : directorySource(workspaceSources.options.workspaceRbacDir, 'workspaces', workspaceRbacDir, true);
  const sources = [
    directory !== undefined && directorySource(options.rbacDir, 'directory', directory, false),
    root !== undefined &&
      blamingSource(
        options.rootKubeconfig,
        rootPolicySource({ kubeconfig: root, observer: observed('root') }),
      ),
    cache !== undefined &&
      blamingSource(
        options.cacheKubeconfig,
        cachePolicySource({ kubeconfig: cache, observer: observed('cache') }),
      ),
  ].filter((source) => source !== false);
  return {
    sources,
    fallbacks: new Map(root !== undefined && cache !== undefined ? [['root', 'cache']] : []),
    bootstrap:
      values.bootstrapPolicy === 'live' ? liveBootstrap(root, observed('bootstrap')) : values.bootstrapPolicy,
    ...presentOnly({
      maxStalenessMs: values.maxPolicyStaleness,
      workspaces:
        ofWorkspaces === false
          ? undefined
          : { source: ofWorkspaces, requiresLogicalCluster: workspaceRbacDir === undefined },
    }),
  };
}

function liveBootstrap(kubeconfig: string | undefined, observer: ApiServerObserver): PolicySource {
  const { bootstrapPolicy, rootKubeconfig } = policy.options;
  if (kubeconfig === undefined) throw fault(bootstrapPolicy, `live needs ${rootKubeconfig.name}`);
  return blamingSource(rootKubeconfig, systemAdminPolicySource({ kubeconfig, observer }));
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
