import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import type { ApiClient, RequestObservation } from '../../kubernetes/api-client.js';
import { byClusterAndName, byName, type ObjectKey } from '../../kubernetes/json.js';
import { Reflector } from '../../kubernetes/reflector/reflector.js';
import type { ReflectorFault } from '../../kubernetes/kubernetes-errors.js';
import type { ReflectorSink } from '../../kubernetes/reflector/reflector-options.js';
import { ServerProbe } from '../../kubernetes/reflector/server-probe.js';
import { runInSlices } from '../../time-slice.js';
import type { PolicyObject, RbacObject } from '../objects.js';
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
export interface ApiServerObserver {
  request?(observation: RequestObservation): void;
  listed?(kind: Kind, method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void;
  /** `closed`: the server ended the watch, as it does from time to time. */
  watched?(kind: Kind, result: 'closed' | ReflectorFault): void;
  /** From the arrival of an event until decisions follow it. */
  applied?(kind: Kind, seconds: number): void;
  /** After a failure, before the next attempt. */
  retrying?(kind: Kind, reason: string, delayMs: number): void;
  /** Out of sync with the server, or in sync again. */
  lost?(reason: string): void;
  synced?(): void;
  /** One line, for the log. */
  warning?(message: string): void;
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
  return new ApiServerPolicySource('root', options, (path) => path);
}

/**
 * The same from a kcp cache server, which has only the objects of the root workspace that are annotated with
 * `internal.kcp.io/replicate`. Named `cache` by default.
 */
export function cachePolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource('cache', options, (path) => {
    const withService = path.includes('/services/cache') ? path : `${path}/services/cache`;
    return withService.includes('/shards/') ? withService : `${withService}/shards/root/clusters/root`;
  });
}

/**
 * The policies of all workspaces of a kcp shard, each kind listed and watched at `/clusters/*`; the user has to be of
 * `system:masters`. Named `workspaces` by default.
 */
export function workspacesPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource(
    'workspaces',
    options,
    clusterAt('*'),
    kindsOfWorkspaces,
    byClusterAndName,
  );
}

/**
 * kcp's bootstrap policy as it stands in `/clusters/system:admin` beside the root workspace of the kubeconfig.
 * Named `bootstrap` by default.
 */
export function systemAdminPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource('bootstrap', options, clusterAt('system:admin'));
}

/** Another logical cluster of the same server. */
function clusterAt(name: string): (serverPath: string) => string {
  return (path) => `${path.replace(/\/clusters\/[^/]+$/, '')}/clusters/${name}`;
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
  ...kindsOfOne.map(({ decode, ...one }) => ({ ...one, decode: inCluster<RbacObject>(decode) })),
  { kind: 'LogicalCluster', path: '/apis/core.kcp.io/v1alpha1/logicalclusters', decode: logicalClusterOf },
];

class ApiServerPolicySource implements PolicySource {
  readonly name: string;
  /** The server of the layer's present or expected objects. */
  origin: string | undefined;
  readonly #options: ApiServerPolicySourceOptions;
  readonly #basePath: (serverPath: string) => string;
  readonly #observer: ApiServerObserver;
  readonly #kinds: readonly FollowedKind[];
  readonly #keyOf: ObjectKey;
  readonly #firstLists: FirstLists;
  /** How many objects the latest list of each kind held. */
  readonly #counts = new Map<Kind, number>();
  /** The kinds that are in sync with the server. */
  readonly #live = new Set<Kind>();
  #client: ApiClient | undefined;
  #reflectors: readonly Reflector<PolicyObject>[] = [];
  #isSynced = false;
  #isClosed = false;

  constructor(
    name: string,
    options: ApiServerPolicySourceOptions,
    basePath: (path: string) => string,
    kinds: readonly FollowedKind[] = kindsOfOne,
    keyOf = byName,
  ) {
    checkOptions(options, { kubeconfig: aText, name: optional(aText) });
    this.#keyOf = keyOf;
    this.#kinds = kinds;
    this.#firstLists = new FirstLists(kinds.map(({ kind }) => kind));
    this.name = options.name ?? name;
    this.#options = options;
    this.#basePath = basePath;
    this.#observer = options.observer ?? {};
  }

  async open(): Promise<void> {
    await this.#open();
  }

  async start(sink: PolicySink): Promise<void> {
    if (this.#reflectors.length > 0 || this.#isClosed) throw new Error('a policy source is started once');
    const client = await this.#open();
    // Closed while the kubeconfig was read.
    if (this.#hasClosed()) return;
    const probe = new ServerProbe({ client });
    this.#reflectors = this.#kinds.map(
      ({ kind, path, decode }) =>
        new Reflector<PolicyObject>({
          path,
          decode,
          keyOf: this.#keyOf,
          client,
          probe,
          sink: this.#reflectorSink(kind, client, sink),
          observer: {
            listed: (method, result) => this.#observer.listed?.(kind, method, result),
            watched: (result) => this.#observer.watched?.(kind, result),
            applied: (seconds) => this.#observer.applied?.(kind, seconds),
            retrying: (reason, delayMs) => this.#observer.retrying?.(kind, reason, delayMs),
          },
        }),
    );
    for (const reflector of this.#reflectors) reflector.start();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#firstLists.release();
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
    this.#client?.close();
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }

  async #open(): Promise<ApiClient> {
    this.#client ??= await openApiClient({
      kubeconfig: this.#options.kubeconfig,
      basePath: this.#basePath,
      onRequest: (observation) => this.#observer.request?.(observation),
      onWarning: (message) => this.#observer.warning?.(message),
    });
    this.origin ??= this.#client.server;
    return this.#client;
  }

  #reflectorSink(kind: Kind, client: ApiClient, sink: PolicySink): ReflectorSink<PolicyObject> {
    return {
      replace: async (items, server) => {
        // One server's roles with another's bindings, or with none, would be a policy that never existed.
        await this.#firstLists.arrived(kind, server);
        if (this.#isClosed) return;
        const before = this.#counts.get(kind) ?? 0;
        // It is applied, since removed objects must not grant anything, but it is rarely intended.
        if (items.length === 0 && before > 0) {
          this.#observer.warning?.(
            `${client.server} lists no ${kind}, where it listed ${before} before: what they granted is revoked`,
          );
        }
        this.#counts.set(kind, items.length);
        this.origin = server;
        await runInSlices(sink.replaceKind(kind, items));
      },
      set: (object) => {
        sink.apply({ type: 'set', object });
      },
      delete: (name, cluster) => {
        sink.apply({ type: 'delete', kind, name, cluster });
      },
      live: () => {
        this.#live.add(kind);
        if (this.#isSynced || this.#live.size < this.#kinds.length) return;
        this.#isSynced = true;
        sink.markSynced();
        this.#observer.synced?.();
      },
      lost: (reason, since) => {
        const message = reason.includes(client.server) ? reason : `${client.server}: ${reason}`;
        this.#live.delete(kind);
        this.#isSynced = false;
        sink.markStale(message, since);
        this.#observer.lost?.(message);
      },
    };
  }
}

/**
 * Holds back the list of one kind until the others are listed on the same server: at the beginning, and when the kubeconfig
 * names another server.
 */
class FirstLists {
  #server: string | undefined;
  #awaited = new Set<Kind>();
  #release: () => void = () => undefined;
  #complete = Promise.resolve();

  constructor(private readonly kinds: readonly Kind[]) {}

  async arrived(kind: Kind, server: string): Promise<void> {
    if (server !== this.#server) {
      // A held list of the previous server is outdated once those of the new one are there.
      const releaseBefore = this.#release;
      this.#server = server;
      this.#awaited = new Set(this.kinds);
      this.#complete = new Promise((resolve) => {
        this.#release = () => {
          resolve();
          releaseBefore();
        };
      });
    }
    this.#awaited.delete(kind);
    if (this.#awaited.size === 0) this.#release();
    await this.#complete;
  }

  release(): void {
    this.#release();
  }
}
