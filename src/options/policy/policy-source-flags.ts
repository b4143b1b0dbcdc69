import {
  cachePolicySource,
  rootPolicySource,
  systemAdminPolicySource,
  type ApiServerObserver,
} from '../../policy/sources/api-server.js';
import { directoryPolicySource, type ReloadResult } from '../../policy/sources/directory.js';
import type { PolicySource } from '../../policy/policy-source.js';
import { booleanOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';

export const rbacDir: Flag = {
  name: '--rbac-dir',
  value: 'directory',
  description:
    'directory of ClusterRole and ClusterRoleBinding manifests of the root workspace, reloaded on change',
};
export const rootKubeconfig: Flag = {
  name: '--root-kubeconfig',
  value: 'file',
  description:
    'kubeconfig of the root workspace, or of a plain Kubernetes: its ClusterRoles and ClusterRoleBindings are watched',
};
export const cacheKubeconfig: Flag = {
  name: '--cache-kubeconfig',
  value: 'file',
  description:
    'kubeconfig of a kcp cache server, whose copy of the root workspace is watched; beside --root-kubeconfig it decides only where that cannot',
};
export const bootstrapPolicyFlag: Flag = {
  name: '--bootstrap-policy',
  choices: ['true', 'false', 'live'],
  default: 'true',
  description:
    "whether kcp's own roles and bindings stand behind those of the root workspace: true, false, or live to follow /clusters/system:admin of --root-kubeconfig",
};

/** Where a policy comes from: every command that decides takes them. */
export const policySourceFlags: readonly Flag[] = [
  rbacDir,
  rootKubeconfig,
  cacheKubeconfig,
  bootstrapPolicyFlag,
];

export interface PolicySourceEvents {
  /** What is written in the policy but will not do what was likely meant. */
  readonly onWarning: (message: string) => void;
  readonly onReload?: (source: string, result: ReloadResult) => void;
  /** Told of what an API server's source does. */
  readonly observerOf?: (source: string) => ApiServerObserver;
}

/** The flag behind a layer of the policy. */
export function sourceFlag(layer: string): Flag {
  switch (layer) {
    case 'root':
      return rootKubeconfig;
    case 'cache':
      return cacheKubeconfig;
    case 'bootstrap':
      return bootstrapPolicyFlag;
    default:
      return rbacDir;
  }
}

export interface PolicySources {
  readonly sources: readonly PolicySource[];
  readonly fallbacks: ReadonlyMap<string, string>;
  readonly bootstrap: boolean | PolicySource;
}

/** Whether any flag names a source. */
export function namesPolicySource(values: FlagValues): boolean {
  return valueOf(values, rbacDir) !== undefined || namesApiServer(values);
}

/** Whether any of them is an API server. */
export function namesApiServer(values: FlagValues): boolean {
  return [rootKubeconfig, cacheKubeconfig].some((flag) => valueOf(values, flag) !== undefined);
}

/** The sources that the flags describe, each with its flag in what it throws. @throws UsageError naming the flag. */
export function policySourcesOf(values: FlagValues, events: PolicySourceEvents): PolicySources {
  const { onWarning, onReload, observerOf } = events;
  const directory = valueOf(values, rbacDir);
  const root = valueOf(values, rootKubeconfig);
  const cache = valueOf(values, cacheKubeconfig);
  const observer = (source: string): { readonly observer: ApiServerObserver } => ({
    observer: {
      ...observerOf?.(source),
      warning: (message) => {
        onWarning(`${source}: ${message}`);
      },
    },
  });
  const sources: PolicySource[] = [];
  if (directory !== undefined) {
    const source = directoryPolicySource({
      directory,
      onWarning,
      onReload: (result) => onReload?.('directory', result),
    });
    sources.push(blaming(rbacDir, source));
  }
  if (root !== undefined) {
    sources.push(blaming(rootKubeconfig, rootPolicySource({ kubeconfig: root, ...observer('root') })));
  }
  if (cache !== undefined) {
    sources.push(blaming(cacheKubeconfig, cachePolicySource({ kubeconfig: cache, ...observer('cache') })));
  }
  return {
    sources,
    fallbacks: new Map(root !== undefined && cache !== undefined ? [['root', 'cache']] : []),
    bootstrap: bootstrapOf(values, root, observer('bootstrap')),
  };
}

function bootstrapOf(
  values: FlagValues,
  kubeconfig: string | undefined,
  observer: { readonly observer: ApiServerObserver },
): boolean | PolicySource {
  const value = booleanOf(values, bootstrapPolicyFlag);
  switch (value) {
    case true:
    case 'true':
      return true;
    case 'false':
      return false;
    case 'live':
      if (kubeconfig !== undefined) {
        return blaming(rootKubeconfig, systemAdminPolicySource({ kubeconfig, ...observer }));
      }
      throw new UsageError(`${bootstrapPolicyFlag.name}: live needs ${rootKubeconfig.name}`);
    default:
      throw new UsageError(
        `${bootstrapPolicyFlag.name}: ${JSON.stringify(value)} is not true, false or live`,
      );
  }
}

/** Whatever keeps the source from its start is blamed on its flag. */
function blaming(flag: Flag, source: PolicySource): PolicySource {
  const blame = (error: unknown): never => {
    throw usageError(flag.name, error);
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
