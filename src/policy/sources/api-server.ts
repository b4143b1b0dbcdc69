import type { ApiClient, RequestObservation } from '../../kubernetes/api-client.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import type { ClusterRole, ClusterRoleBinding, PolicyObject } from '../objects.js';
import type { PolicySink } from '../policy.js';
import { Reflector } from '../../kubernetes/reflector/reflector.js';
import type {
  ReflectorFault,
  ReflectorObserver,
  ReflectorSink,
} from '../../kubernetes/reflector/reflector-sink.js';
import { ServerProbe } from '../../kubernetes/reflector/server-probe.js';
import { clusterRoleBindingOf, clusterRoleOf } from './kubernetes-object.js';
import type { PolicySource } from '../policy-source.js';
import { runInSlices } from '../../time-slice.js';

type Kind = PolicyObject['kind'];

/** Told of what a source does, for metrics and logs. None of it may throw. */
export interface ApiServerObserver {
  request?(observation: RequestObservation): void;
  listed?(kind: Kind, method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void;
  /** `closed`: the server ended the watch, as it does from time to time. */
  watched?(kind: Kind, result: 'closed' | ReflectorFault): void;
  /** From the arrival of an event to the moment decisions are made on it. */
  applied?(kind: Kind, seconds: number): void;
  /** After a failure, before the next attempt. */
  retrying?(kind: Kind, reason: string, delayMs: number): void;
  /** Out of step with the server, or in step again. */
  lost?(reason: string): void;
  synced?(): void;
  /** What a person should know: one line. */
  warning?(message: string): void;
}

export interface ApiServerPolicySourceOptions {
  /** Its current context is used; kcp: one whose server ends in `/clusters/root`. Read anew when it changes. */
  readonly kubeconfig: string;
  /** Default: as the function says. */
  readonly name?: string;
  readonly observer?: ApiServerObserver;
}

/**
 * The ClusterRoles and ClusterRoleBindings of an API server, listed and watched: for kcp those of the root
 * workspace, and the whole of a plain Kubernetes. Named `root` by default. `start` rejects with KubeconfigError; a server
 * that does not answer is tried again for ever.
 */
export function rootPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource('root', options, (path) => path);
}

/**
 * The same from a kcp cache server, which holds no more of the root workspace than what is annotated with
 * `internal.kcp.io/replicate`. Named `cache` by default.
 */
export function cachePolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource('cache', options, (path) => {
    const withService = path.includes('/services/cache') ? path : `${path}/services/cache`;
    return withService.includes('/shards/') ? withService : `${withService}/shards/root/clusters/root`;
  });
}

/**
 * kcp's bootstrap policy as it stands in `/clusters/system:admin` beside the root workspace of the kubeconfig.
 * Named `bootstrap` by default.
 */
export function systemAdminPolicySource(options: ApiServerPolicySourceOptions): PolicySource {
  return new ApiServerPolicySource('bootstrap', options, (path) => {
    return `${path.replace(/\/clusters\/[^/]+$/, '')}/clusters/system:admin`;
  });
}

/** What is known of one kind. */
interface KindState {
  isLive: boolean;
  count: number;
}

class ApiServerPolicySource implements PolicySource {
  readonly name: string;
  readonly #options: ApiServerPolicySourceOptions;
  readonly #basePath: (serverPath: string) => string;
  readonly #observer: ApiServerObserver;
  readonly #kinds: Readonly<Record<Kind, KindState>> = {
    ClusterRole: { isLive: false, count: 0 },
    ClusterRoleBinding: { isLive: false, count: 0 },
  };
  readonly #lists = new BothLists();
  #client: ApiClient | undefined;
  /** Where the objects that the layer holds are from, or will be. */
  #origin: string | undefined;
  #reflectors: readonly { close(): Promise<void> }[] = [];
  #isSynced = false;
  #isClosed = false;

  constructor(name: string, options: ApiServerPolicySourceOptions, basePath: (path: string) => string) {
    this.name = options.name ?? name;
    this.#options = options;
    this.#basePath = basePath;
    this.#observer = options.observer ?? {};
  }

  get origin(): string | undefined {
    return this.#origin;
  }

  async open(): Promise<void> {
    const { kubeconfig } = this.#options;
    this.#client ??= await openApiClient({
      kubeconfig,
      basePath: this.#basePath,
      onRequest: (observation) => this.#observer.request?.(observation),
      onWarning: (message) => this.#observer.warning?.(message),
    });
    this.#origin ??= this.#client.server;
  }

  async start(sink: PolicySink): Promise<void> {
    if (this.#reflectors.length > 0 || this.#isClosed) throw new Error('a policy source is started once');
    await this.open();
    const client = this.#client;
    // Closed while the kubeconfig was read.
    if (client === undefined || this.#hasClosed()) return;
    const probe = new ServerProbe({ client });
    const reflect = <Item extends ClusterRole | ClusterRoleBinding>(
      kind: Kind,
      resource: string,
      decode: (object: unknown) => Item,
    ): Reflector<Item> =>
      new Reflector<Item>({
        client,
        path: `/apis/rbac.authorization.k8s.io/v1/${resource}`,
        decode,
        sink: this.#reflectorSink(kind, sink),
        observer: this.#reflectorObserver(kind),
        probe,
      });
    const reflectors = [
      reflect('ClusterRole', 'clusterroles', clusterRoleOf),
      reflect('ClusterRoleBinding', 'clusterrolebindings', clusterRoleBindingOf),
    ];
    this.#reflectors = reflectors;
    for (const reflector of reflectors) reflector.start();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#lists.release();
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
    this.#client?.close();
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }

  #reflectorSink(kind: Kind, sink: PolicySink): ReflectorSink<ClusterRole | ClusterRoleBinding> {
    const state = this.#kinds[kind];
    return {
      replace: async (items, server) => {
        // One server's roles beside another's bindings, or none, would be a policy that never was.
        await this.#lists.arrived(kind, server);
        if (this.#isClosed) return;
        if (items.length === 0 && state.count > 0) this.#warnOfEmptyList(kind, state.count);
        state.count = items.length;
        this.#origin = server;
        await runInSlices(sink.replaceKind(kind, items));
      },
      set: (item) => {
        sink.apply({ type: 'set', object: item });
      },
      delete: (name) => {
        sink.apply({ type: 'delete', kind, name });
      },
      live: () => {
        state.isLive = true;
        this.#markSynced(sink);
      },
      lost: (reason, since) => {
        const server = this.#client?.server ?? '';
        const told = reason.includes(server) ? reason : `${server}: ${reason}`;
        state.isLive = false;
        this.#isSynced = false;
        sink.markStale(told, since);
        this.#observer.lost?.(told);
      },
    };
  }

  #markSynced(sink: PolicySink): void {
    if (this.#isSynced || !Object.values(this.#kinds).every(({ isLive }) => isLive)) return;
    this.#isSynced = true;
    sink.markSynced();
    this.#observer.synced?.();
  }

  #reflectorObserver(kind: Kind): ReflectorObserver {
    const observer = this.#observer;
    return {
      listed: (method, result) => observer.listed?.(kind, method, result),
      watched: (result) => observer.watched?.(kind, result),
      applied: (seconds) => observer.applied?.(kind, seconds),
      retrying: (reason, delayMs) => observer.retrying?.(kind, reason, delayMs),
    };
  }

  /**
   * Believed all the same: what the server no longer has, nobody may rely on. But it is hardly ever meant, and
   * whoever is called for the refusals that follow has to find the reason.
   */
  #warnOfEmptyList(kind: Kind, before: number): void {
    this.#observer.warning?.(
      `${this.#client?.server ?? ''} lists no ${kind}, where it listed ${before} before: what they granted is revoked`,
    );
  }
}

/**
 * Lets nobody pass before both kinds have been listed on one server: at the beginning, and again when the
 * kubeconfig has come to name another server.
 */
class BothLists {
  #server: string | undefined;
  #awaited = new Set<PolicyObject['kind']>();
  #release: () => void = () => undefined;
  #complete = Promise.resolve();

  async arrived(kind: PolicyObject['kind'], server: string): Promise<void> {
    if (server !== this.#server) {
      // Whoever waits with a list of the server before waits on, for what it will be told is old by then.
      const released = this.#release;
      this.#server = server;
      this.#awaited = new Set(['ClusterRole', 'ClusterRoleBinding']);
      this.#complete = new Promise((resolve) => {
        this.#release = () => {
          resolve();
          released();
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
