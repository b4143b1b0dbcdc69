import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import type { ApiClient } from '../../kubernetes/api-client.js';
import { byClusterAndName, byName } from '../../kubernetes/json.js';
import { Reflector } from '../../kubernetes/reflector/reflector.js';
import type { ReflectorFault } from '../../kubernetes/kubernetes-errors.js';
import type { ReflectorSink, ServerObserver } from '../../kubernetes/reflector/reflector-options.js';
import { ServerProbe } from '../../kubernetes/reflector/server-probe.js';
import { runInSlices } from '../../time-slice.js';
import type { PolicyObject } from '../objects.js';
import type { PolicySource } from '../policy-source.js';
import type { PolicySink } from '../policy.js';
import {
  clusterRoleBindingOf,
  clusterRoleOf,
  inCluster,
  logicalClusterOf,
  pathOf,
} from './kubernetes-object.js';
import { aText, checkOptions, optional } from '../../option-checks.js';

type Kind = PolicyObject['kind'];

/** Listens to a source, for metrics and logs. Must not throw. */
export interface ApiServerObserver extends ServerObserver {
  listed?(kind: Kind, method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void;
  /** `closed`: the server ended the watch, as it does from time to time. */
  watched?(kind: Kind, result: 'closed' | ReflectorFault): void;
  /** From the arrival of an event until decisions follow it. */
  applied?(kind: Kind, seconds: number): void;
  /** After a failure, before the next attempt. */
  retrying?(kind: Kind, reason: string, delayMs: number): void;
}

export interface ApiServerPolicySourceOptions {
  /** Its current context is used; kcp: one whose server ends in `/clusters/root`. Read anew when it changes. */
  readonly kubeconfig: string;
  /** Default: see the function. */
  readonly name?: string;
  readonly observer?: ApiServerObserver;
}

/**
 * The ClusterRoles and ClusterRoleBindings of an API server, listed and watched: for kcp those of the root
 * workspace, and the whole of a plain Kubernetes. Named `root` by default. `start` rejects with KubeconfigError; a server
 * that does not answer is tried again forever.
 */
export function rootPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return apiServerSource('root', options, (path) => path, rootPathFault);
}

/**
 * The same from a kcp cache server, which has only the objects of the root workspace that are annotated with
 * `internal.kcp.io/replicate`. Named `cache` by default.
 */
export function cachePolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return apiServerSource(
    'cache',
    options,
    (path) => {
      const withService = path.includes('/services/cache') ? path : `${path}/services/cache`;
      return withService.includes('/shards/') ? withService : `${withService}/shards/root/clusters/root`;
    },
    rootPathFault,
  );
}

/**
 * The policies of all workspaces of a kcp shard, each kind listed and watched at `/clusters/*`; the user has to be of
 * `system:masters`. Named `workspaces` by default.
 */
export function workspacesPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return apiServerSource(
    'workspaces',
    options,
    clusterAt('*'),
    undefined,
    kindsOfWorkspaces,
    byClusterAndName,
  );
}

/**
 * kcp's bootstrap policy as it stands in `/clusters/system:admin` beside the root workspace of the kubeconfig.
 * Named `bootstrap` by default.
 */
export function systemAdminPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return apiServerSource('bootstrap', options, clusterAt('system:admin'));
}

/** Another logical cluster of the same server. */
function clusterAt(name: string): (serverPath: string) => string {
  return (path) => `${path.replace(/\/clusters\/[^/]+$/, '')}/clusters/${name}`;
}

const allOfThem = /\/(?:clusters|shards)\/(?:\*|%2a)(?:\/|$)/i;
/** As kcp and its cache server have them; behind another prefix, such paths are no kcp's. */
const oneOfThem = /^(?:\/services\/cache)?(?:\/shards\/[^/]+)?\/clusters\/([^/]+)$/;

/** The second one has no owners: only administrators of a shard write what is in it. */
const ownClusters = ['root', 'system:admin'];

/**
 * What is wrong with the path of root's policy. Names repeat among logical clusters, and whoever has one writes what is in
 * it: the policy of all would be theirs, and that of another one speaks of its own service accounts.
 */
function rootPathFault(path: string): string | undefined {
  const advice = 'use a context whose server ends in /clusters/root';
  if (allOfThem.test(path)) {
    return `its server is all logical clusters (${path}), whose owners would decide who may scrape: ${advice}`;
  }
  const name = oneOfThem.exec(path)?.[1] ?? 'root';
  return ownClusters.includes(name)
    ? undefined
    : `its server is another workspace (${path}), but only the root workspace decides who may scrape: ${advice}`;
}

interface FollowedKind {
  readonly kind: Kind;
  readonly path: string;
  readonly decode: (object: unknown) => PolicyObject;
}

const kindsOfOne = [
  { kind: 'ClusterRole', path: pathOf.ClusterRole, decode: clusterRoleOf },
  { kind: 'ClusterRoleBinding', path: pathOf.ClusterRoleBinding, decode: clusterRoleBindingOf },
] as const;
const kindsOfWorkspaces: readonly FollowedKind[] = [
  ...kindsOfOne.map(({ decode, ...one }) => ({ ...one, decode: inCluster(decode) })),
  { kind: 'LogicalCluster', path: '/apis/core.kcp.io/v1alpha1/logicalclusters', decode: logicalClusterOf },
];

function apiServerSource(
  defaultName: string,
  options: ApiServerPolicySourceOptions,
  basePath: (serverPath: string) => string,
  pathFault?: (basePath: string) => string | undefined,
  kinds: readonly FollowedKind[] = kindsOfOne,
  keyOf = byName,
): PolicySource {
  checkOptions(options, { kubeconfig: aText, name: optional(aText) });
  const { kubeconfig, name = defaultName, observer = {} } = options;
  const firstLists = new FirstLists(kinds.length);
  /** How many objects the latest list of each kind held. */
  const counts = new Map<Kind, number>();
  /** The kinds that are in sync with the server. */
  const live = new Set<Kind>();
  let client: ApiClient | undefined;
  /** The server of the layer's present or expected objects. */
  let origin: string | undefined;
  let reflectors: readonly Reflector<PolicyObject>[] = [];
  let isSynced = false;
  let isClosed = false;
  const hasClosed = (): boolean => isClosed;

  const open = async (): Promise<ApiClient> => {
    client ??= await openApiClient({
      kubeconfig,
      basePath,
      pathFault,
      onRequest: (observation) => observer.request?.(observation),
      onWarning: (message) => observer.warning?.(message),
    });
    origin ??= client.server;
    return client;
  };

  const sinkOf = (kind: Kind, asked: ApiClient, sink: PolicySink): ReflectorSink<PolicyObject> => ({
    replace: async (items, server) => {
      // One server's roles with another's bindings, or with none, would be a policy that never existed.
      if (!isClosed) await firstLists.arrived(kind, server);
      if (hasClosed()) return;
      const before = counts.get(kind) ?? 0;
      // It is applied, since removed objects must not grant anything, but it is rarely intended.
      if (items.length === 0 && before > 0) {
        observer.warning?.(
          `${asked.server} lists no ${kind}, where it listed ${before} before: what they granted is revoked`,
        );
      }
      counts.set(kind, items.length);
      origin = server;
      await runInSlices(sink.replaceKind(kind, items));
    },
    set: (object) => {
      sink.apply({ type: 'set', object });
    },
    delete: (deleted, cluster) => {
      sink.apply({ type: 'delete', kind, name: deleted, cluster });
    },
    live: () => {
      live.add(kind);
      if (isSynced || live.size < kinds.length) return;
      isSynced = true;
      sink.markSynced();
      observer.synced?.();
    },
    lost: (reason, since) => {
      const message = reason.includes(asked.server) ? reason : `${asked.server}: ${reason}`;
      live.delete(kind);
      isSynced = false;
      sink.markStale(message, since);
      observer.lost?.(message);
    },
  });

  return {
    name,
    get origin() {
      return origin;
    },
    async open() {
      await open();
    },
    async start(sink) {
      if (reflectors.length > 0 || isClosed) throw new Error('a policy source is started once');
      const opened = await open();
      // Closed while the kubeconfig was read.
      if (hasClosed()) return;
      const shared = { client: opened, keyOf, probe: new ServerProbe(opened) };
      reflectors = kinds.map(
        ({ kind, path, decode }) =>
          new Reflector<PolicyObject>({
            ...shared,
            path,
            decode,
            sink: sinkOf(kind, opened, sink),
            observer: {
              listed: (method, result) => observer.listed?.(kind, method, result),
              watched: (result) => observer.watched?.(kind, result),
              applied: (seconds) => observer.applied?.(kind, seconds),
              retrying: (reason, delayMs) => observer.retrying?.(kind, reason, delayMs),
            },
          }),
      );
      for (const reflector of reflectors) reflector.start();
    },
    async close() {
      isClosed = true;
      firstLists.release();
      await Promise.all(reflectors.map((reflector) => reflector.close()));
      client?.close();
    },
  };
}

/**
 * Holds back the list of one kind until all are listed on the same server: at the beginning, and when the kubeconfig
 * names another server.
 */
class FirstLists {
  #server: string | undefined;
  readonly #arrived = new Set<Kind>();
  /** Those of an earlier server are outdated, and go on once those of the new one are there. */
  #held: (() => void)[] = [];

  constructor(private readonly kinds: number) {}

  arrived(kind: Kind, server: string): Promise<void> {
    if (server !== this.#server) this.#arrived.clear();
    this.#server = server;
    this.#arrived.add(kind);
    return new Promise((resolve) => {
      this.#held.push(resolve);
      if (this.#arrived.size === this.kinds) this.release();
    });
  }

  release(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }
}
