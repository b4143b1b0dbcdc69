import { flagName, isGiven, needs, topic, type GivenOptions, type Option } from './option.js';
import { boolean, directory, duration, file } from './option-kinds.js';

const root = flagName('rootKubeconfig');

/** Where the policy comes from, and how it is kept. */
export const policy = topic(
  'Policy',
  {
    rbacDir: directory(
      'directory of ClusterRole and ClusterRoleBinding manifests of the root workspace, reloaded on change',
    ),
    rootKubeconfig: file(
      { kubeconfig: true },
      'kubeconfig of the root workspace, or of a plain Kubernetes: its ClusterRoles and ClusterRoleBindings are watched',
    ),
    cacheKubeconfig: file(
      { kubeconfig: true },
      `kubeconfig of a kcp cache server, whose copy of the root workspace is watched; beside ${root} it decides only where that cannot`,
    ),
    bootstrapPolicy: boolean(
      true,
      `whether kcp's own roles and bindings stand behind those of the root workspace: true, false, or live to follow /clusters/system:admin of ${root}`,
      'live',
    ),
    maxPolicyStaleness: duration(
      undefined,
      {},
      'how long a policy may decide after its source was lost, such as 1h; without it, for ever',
    ),
    policySnapshot: file(
      {},
      'file that keeps the policy of the API servers over a restart: should they be down then, it is served from there, stale',
    ),
  },
  [needs('policySnapshot', 'rootKubeconfig', 'cacheKubeconfig')],
);

/** Whether any option names a source. */
export function namesPolicySource(given: GivenOptions): boolean {
  const { rbacDir, rootKubeconfig, cacheKubeconfig } = policy.options;
  return [rbacDir, rootKubeconfig, cacheKubeconfig].some((option) => isGiven(given, option));
}

/** The option behind a layer of the policy. */
export function sourceOption(layer: string): Option {
  const { options } = policy;
  switch (layer) {
    case 'root':
      return options.rootKubeconfig;
    case 'cache':
      return options.cacheKubeconfig;
    case 'bootstrap':
      return options.bootstrapPolicy;
    default:
      return options.rbacDir;
  }
}
