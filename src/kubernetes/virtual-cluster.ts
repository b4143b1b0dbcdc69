import { presentOnly } from '../present-only.js';
import { NameTable } from '../name-table.js';
import type { ApiClient } from './api-client.js';
import { openApiClient } from './kubeconfig/kubeconfig-client.js';
import { MalformedError, type ReflectorFault } from './kubernetes-errors.js';
import { byNamespaceAndName, namespaceOf, stringMember } from './json.js';
import { Reflector } from './reflector/reflector.js';
import type { ServerObserver } from './reflector/reflector-options.js';

/** Where a pod is, or what its owner calls it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** A pod of the virtual cluster on its host. */
export interface HostPod {
  readonly host: PodName & { readonly uid: string };
  /** Empty while it is not scheduled. */
  readonly node: string;
  /** In the virtual cluster; undefined where its annotations do not say, or are of another pod. */
  readonly virtual: (PodName & { readonly uid: string }) | undefined;
}

/** Those pods of a virtual cluster that are on one node of its host. */
export interface PodsOfNode extends Pick<VirtualCluster, 'find' | 'unavailable'> {
  findPod(namespace: string, name: string): HostPod | undefined;
}

export interface VirtualClusterName {
  readonly name: string;
  /** The namespace of the host that its pods are in; `*`: any number of them; undefined: one, whichever it is. */
  readonly namespace: string | undefined;
}

export interface VirtualClusterOptions extends VirtualClusterName {
  /** Of the host cluster, as `openApiClient` takes it. */
  readonly kubeconfig: string;
  /** How long names stay in use when the host was lost (ms). Default: forever. */
  readonly maxStalenessMs?: number;
  readonly observer?: VirtualClusterObserver;
}

export interface VirtualClusterObserver extends ServerObserver {
  followed?(method: 'list' | 'watch-list' | 'watch', result: 'success' | 'closed' | ReflectorFault): void;
}

/** For readiness, metrics and status pages. */
export interface VirtualClusterStatus {
  readonly state: 'syncing' | 'synced' | 'stale';
  /** Why it is stale, or not loaded yet. */
  readonly reason?: string;
  /** How long ago it was last in sync (ms); before the first time, how long ago it was begun; 0 while it is. */
  readonly ageMs: number;
  /** The pods that have a name in the virtual cluster. */
  readonly pods: number;
  /** Those that have none: their annotations do not say one, or another pod's say the same. */
  readonly nameless: number;
}

/** vCluster's marks on what it creates on the host. */
const prefix = 'vcluster.loft.sh/';
/** More than Kubernetes takes in one cluster. */
const maxPods = 200_000;
const maxUidLength = 64;

/** Kubernetes' names of a namespace, and of a pod or node. */
const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const isLabel = new RegExp(`^(?=.{1,63}$)${label}$`);
const isSubdomain = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`);

/** The label selector of a virtual cluster's pods. */
export function podSelector(name: string): string {
  return `${prefix}managed-by=${name}`;
}

/** The API path of the pods in one namespace of the host, or in all. */
export function podsPath({ namespace = '*' }: Pick<VirtualClusterName, 'namespace'>): string {
  return namespace === '*' ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`;
}

/** Opens the kubeconfig; `start` sends the first request. @throws KubeconfigError, KubernetesClientMissingError */
export async function openVirtualCluster(options: VirtualClusterOptions): Promise<VirtualCluster> {
  const { kubeconfig, observer } = options;
  const client = await openApiClient({
    kubeconfig,
    onRequest: (observation) => observer?.request?.(observation),
    onWarning: (message) => observer?.warning?.(message),
  });
  return new VirtualCluster(client, options);
}

/**
 * What the pods of a virtual cluster are called on its host, as vCluster's label and annotations say. A pod without both
 * names, or whose names another pod has as well, counts as nameless until that changes.
 */
export class VirtualCluster {
  readonly #reflector: Reflector<HostPod>;
  /** By namespace and name on the host. */
  #pods = new NameTable<HostPod>();
  /** How many pods of the host have this name in the virtual cluster. */
  #owners = new Map<string, number>();
  #named = 0;
  /** How many pods are on a node of the host, and in a namespace. */
  #nodes = new Map<string, number>();
  #namespaces = new Map<string, number>();
  #state: VirtualClusterStatus['state'] = 'syncing';
  #reason: string | undefined;
  #since = performance.now();

  constructor(
    readonly client: ApiClient,
    private readonly options: VirtualClusterOptions,
  ) {
    const { observer } = options;
    this.#reflector = new Reflector<HostPod>({
      client,
      path: podsPath(options),
      labelSelector: podSelector(options.name),
      maxObjects: maxPods,
      keyOf: byNamespaceAndName,
      decode: hostPodOf,
      sink: {
        replace: (pods) => {
          this.#clear();
          for (const pod of pods) this.#add(pod);
          return Promise.resolve();
        },
        set: (pod) => {
          this.#remove(pod.host);
          this.#add(pod);
        },
        delete: (name, _cluster, namespace = '') => {
          this.#remove({ namespace, name });
        },
        live: () => {
          if (this.#state !== 'synced') observer?.synced?.();
          this.#state = 'synced';
          this.#reason = undefined;
        },
        lost: (reason, since) => {
          // On the clock that is never set back.
          if (this.#state === 'synced') this.#since = since - performance.timeOrigin;
          if (this.#state !== 'syncing') this.#state = 'stale';
          this.#reason = reason.includes(client.server) ? reason : `${client.server}: ${reason}`;
          observer?.lost?.(this.#reason);
        },
      },
      observer: {
        listed: (method, result) => observer?.followed?.(method, result),
        watched: (result) => observer?.followed?.('watch', result),
      },
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async close(): Promise<void> {
    await this.#reflector.close();
    this.client.close();
  }

  /** Why no name may be used, or undefined if they may. */
  unavailable(): string | undefined {
    const { state, ageMs } = this.status();
    const { namespace, maxStalenessMs = Infinity } = this.options;
    if (state === 'syncing') return 'the pods of the virtual cluster are not loaded yet';
    if (ageMs > maxStalenessMs) return 'the pods of the virtual cluster are stale for too long';
    // A virtual cluster of the same name may be another owner's.
    if (namespace === undefined && this.#namespaces.size > 1) {
      return 'virtual clusters of this name have pods in several namespaces of the host';
    }
    return undefined;
  }

  /** What the owner calls a pod of the host; undefined for pods of anybody else. */
  find(namespace: string, name: string): HostPod['virtual'] {
    return this.#findPod(namespace, name)?.virtual;
  }

  /**
   * The pods of one node. What its kubelet says of pods of other nodes is not served: a node that was taken over would
   * speak for all.
   */
  ofNode(node: string): PodsOfNode {
    const findPod = (namespace: string, name: string): HostPod | undefined => {
      const pod = this.#findPod(namespace, name);
      return pod?.node === node ? pod : undefined;
    };
    return {
      findPod,
      find: (namespace, name) => findPod(namespace, name)?.virtual,
      unavailable: () => this.unavailable(),
    };
  }

  #findPod(namespace: string, name: string): HostPod | undefined {
    const pod = this.#pods.get(`${namespace}/${name}`);
    return pod?.virtual !== undefined && this.#owners.get(keyOf(pod.virtual)) === 1 ? pod : undefined;
  }

  /** Whether pods of the virtual cluster are on it. */
  hasNode(name: string): boolean {
    return this.#nodes.has(name);
  }

  status(): VirtualClusterStatus {
    const ageMs = this.#state === 'synced' ? 0 : Math.max(0, performance.now() - this.#since);
    const nameless = this.#pods.size - this.#named;
    return {
      state: this.#state,
      ...presentOnly({ reason: this.#reason }),
      ageMs,
      pods: this.#named,
      nameless,
    };
  }

  #clear(): void {
    this.#pods = new NameTable();
    this.#owners = new Map();
    this.#nodes = new Map();
    this.#namespaces = new Map();
    this.#named = 0;
  }

  #add(pod: HostPod): void {
    this.#pods.set(keyOf(pod.host), pod);
    addToCount(this.#namespaces, pod.host.namespace, 1);
    if (pod.virtual === undefined) return;
    if (pod.node !== '') addToCount(this.#nodes, pod.node, 1);
    // Of two with one name, neither has it.
    const owners = addToCount(this.#owners, keyOf(pod.virtual), 1);
    if (owners < 3) this.#named += owners === 1 ? 1 : -1;
  }

  #remove(host: PodName): void {
    const key = keyOf(host);
    const pod = this.#pods.get(key);
    if (pod === undefined) return;
    this.#pods.delete(key);
    addToCount(this.#namespaces, pod.host.namespace, -1);
    if (pod.virtual === undefined) return;
    if (pod.node !== '') addToCount(this.#nodes, pod.node, -1);
    const owners = addToCount(this.#owners, keyOf(pod.virtual), -1);
    if (owners < 2) this.#named += owners === 0 ? -1 : 1;
  }
}

function keyOf({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}

function addToCount(counts: Map<string, number>, key: string, change: 1 | -1): number {
  const now = (counts.get(key) ?? 0) + change;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
  return now;
}

/** As vCluster reads what it has created. @throws MalformedError for what is no pod with a name. */
function hostPodOf(object: unknown): HostPod {
  const annotation = (name: string): string | undefined =>
    stringMember(object, 'metadata', 'annotations', `${prefix}object-${name}`);
  const host = {
    namespace: namespaceOf(object) ?? '',
    name: stringMember(object, 'metadata', 'name') ?? '',
    uid: uidOf(stringMember(object, 'metadata', 'uid')),
  };
  if (!isLabel.test(host.namespace) || !isSubdomain.test(host.name)) {
    throw new MalformedError('a pod without a name');
  }
  const node = stringMember(object, 'spec', 'nodeName') ?? '';
  const { namespace, name } = { namespace: annotation('namespace') ?? '', name: annotation('name') ?? '' };
  const isOfThisPod =
    (annotation('host-name') ?? host.name) === host.name &&
    (annotation('host-namespace') ?? host.namespace) === host.namespace &&
    (annotation('kind') ?? '/v1, Kind=Pod') === '/v1, Kind=Pod';
  const isNamed = isOfThisPod && isLabel.test(namespace) && isSubdomain.test(name);
  return {
    host,
    node: isSubdomain.test(node) ? node : '',
    virtual: isNamed ? { namespace, name, uid: uidOf(annotation('uid')) } : undefined,
  };
}

function uidOf(uid = ''): string {
  return uid.length <= maxUidLength && /^[\w.-]*$/.test(uid) ? uid : '';
}
