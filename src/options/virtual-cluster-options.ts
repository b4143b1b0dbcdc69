import type { Exposition } from '../exposition/exposition.js';
import { NotSyncedError, type UpstreamError } from '../exposition/exposition-errors.js';
import type { PodNames } from '../exposition/relabelling/label-mapping.js';
import { presentOnly } from '../present-only.js';
import type { VirtualCluster, VirtualClusterName } from '../kubernetes/virtual-cluster.js';
import { VirtualClusterMetrics } from '../telemetry/outgoing-metrics.js';
import { flagName, together, topic, valueOf, type GivenOptions } from './option.js';
import { kubeconfigFile, parsed, quoted, text } from './option-kinds.js';
import type { Opening } from './starting.js';
import { policy } from './policy-options.js';
import { usageError } from './usage-error.js';

/** Whose series of a host cluster are served, and under which names. */
export const virtualClusters = topic(
  'What is served',
  {
    virtualCluster: parsed(text('namespace/name'), virtualClusterNamed).help(
      `virtual cluster (vCluster) whose pods alone are shown, under its own names, at /metrics, at every ${flagName('upstreamPath')} and, of its nodes' kubelets, at /metrics/nodes/<node>; namespace of the host that they are in: */name is any number of namespaces, and without one it must be the only one`,
    ),
    hostKubeconfig: kubeconfigFile().help(
      `kubeconfig of the host cluster, whose pods of ${flagName('virtualCluster')} are watched, and through which its kubelets are asked`,
    ),
  },
  [together('virtualCluster', 'hostKubeconfig')],
);

/** A namespace, and the name of vCluster's release, which is a label's value. */
const name = /^(?:(\*|[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/;

function virtualClusterNamed(given: string): VirtualClusterName {
  const [, namespace, found] = name.exec(given) ?? [];
  if (found === undefined) throw new RangeError(`${quoted(given)} is not name, namespace/name or */name`);
  return { name: found, namespace };
}

/** With logs and metrics; undefined where none is named. Sends nothing before its start. @throws UsageError */
export async function openVirtualClusterOf(
  given: GivenOptions,
  { registry, requests, logger, opened }: Opening,
) {
  const { virtualCluster: named, hostKubeconfig: kubeconfig } = virtualClusters.read(given);
  const { name: flag } = virtualClusters.options.hostKubeconfig;
  if (named === undefined || kubeconfig === undefined) return undefined;
  const { openVirtualCluster } = await import('../kubernetes/virtual-cluster.js');
  const maxStalenessMs = valueOf(policy.options.maxPolicyStaleness, given);
  const cluster = await openVirtualCluster({
    ...named,
    kubeconfig,
    ...presentOnly({ maxStalenessMs }),
    observer: {
      request: requests.request.bind(requests),
      followed: (method, result) => {
        metrics.followed(method, result);
      },
      lost: (reason) => {
        logger.warn({}, `out of step with the pods of the virtual cluster: ${reason}`);
      },
      synced: logger.info.bind(logger, {}, 'in step with the pods of the virtual cluster'),
      warning: (message) => {
        logger.warn({}, `${flag}: ${message}`);
      },
    },
  }).catch((error: unknown) => {
    throw usageError(flag, error);
  });
  const metrics = new VirtualClusterMetrics(registry, () => cluster.status());
  return opened.add(cluster);
}

/** RBAC grants it by rules on non-resource URLs; the paths of an API server's proxy are resources to it. */
const nodePath = /^\/metrics\/nodes\/([a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?)((?:\/[a-z]+){0,2})$/;
/** Of the kubelet, by what is behind the node's name. */
const kubeletPaths: Readonly<Record<string, string>> = {
  '': '/metrics',
  '/cadvisor': '/metrics/cadvisor',
  '/probes': '/metrics/probes',
  '/resource': '/metrics/resource',
  '/stats/summary': '/stats/summary',
};

/** Forgotten above this: no cluster has as many nodes. */
const maxKept = 25_000;

/**
 * What is served of the host's kubelets, by the filter's path. A node without a pod of the virtual cluster has nothing,
 * whether it is there or not. `filtered` leaves out what is not the virtual cluster's; `served` is what every
 * exposition gets.
 */
export async function nodeExpositionsOf(
  cluster: VirtualCluster,
  filtered: (exposition: Exposition, names: PodNames) => Exposition,
  served: (exposition: Exposition) => Exposition,
  onFailure: (error: UpstreamError) => void,
): Promise<(path: string) => Exposition | undefined> {
  const { kubeletExposition, kubeletSummary } = await import('../exposition/sources/kubelet.js');
  const { client } = cluster;
  const kept = new Map<string, Exposition>();
  return (path) => {
    const [, node = '', rest = ''] = nodePath.exec(path) ?? [];
    if (node === '' || !Object.hasOwn(kubeletPaths, rest)) return undefined;
    const fault = cluster.unavailable();
    if (fault !== undefined) {
      return { contentType: () => 'text/plain', render: () => Promise.reject(new NotSyncedError(fault)) };
    }
    if (!cluster.hasNode(node)) {
      kept.delete(path);
      return undefined;
    }
    const known = kept.get(path);
    if (known !== undefined) return known;
    if (kept.size >= maxKept) kept.clear();
    const pods = cluster.ofNode(node);
    const kubelet = { client, path: `/api/v1/nodes/${node}/proxy${kubeletPaths[rest] ?? ''}`, onFailure };
    const made = served(
      rest === '/stats/summary'
        ? kubeletSummary({ ...kubelet, node, pods })
        : filtered(kubeletExposition(kubelet), pods),
    );
    kept.set(path, made);
    return made;
  };
}
