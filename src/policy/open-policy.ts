import { presentOnly } from '../present-only.js';
import { tell } from '../tell.js';
import { WorkspaceIndex } from './index/workspace-index.js';
import type { PolicyObject } from './objects.js';
import { Policy, type PolicyLayerStatus, type PolicySink } from './policy.js';
import type { PolicySource } from './policy-source.js';
import { PolicySnapshot, type SnapshotResult } from './snapshot/policy-snapshot.js';
import { bootstrapObjects } from './sources/bootstrap.js';
import { aFunction, aMap, aText, amount, checkOptions, namedWith, optional } from '../option-checks.js';

export interface OpenPolicyOptions {
  /** In this order; a binding's role is looked for in its own source, then in the later ones. */
  readonly sources: readonly PolicySource[];
  /** Fallbacks: the name of the source that decides while another cannot, by that other's name. Default: none. */
  readonly fallbacks?: ReadonlyMap<string, string>;
  /**
   * Whether kcp's own roles and bindings (`rbac/bootstrap-policy.yaml`) are the last layer; a source replaces them once
   * it is in sync. Default true.
   */
  readonly bootstrap?: boolean | PolicySource;
  /** The policies of the workspaces, which decide nothing in root. Default: none. */
  readonly workspaces?: WorkspacesOptions | undefined;
  /** How long a policy stays in use after its source was lost (ms). Default: forever. */
  readonly maxStalenessMs?: number;
  /** File that keeps the policy of API servers across restarts. Default: none. */
  readonly snapshotFile?: string;
  /** Called after each read and write of the snapshot; once for the same failure. */
  readonly onSnapshot?: (result: SnapshotResult) => void;
  /** Called after each change. */
  readonly onChange?: (policy: Policy) => void;
  /** Wraps each source's sink, to see what is written. Default: none. */
  readonly through?: (layer: string, sink: PolicySink) => PolicySink;
}

export interface WorkspacesOptions {
  readonly source: PolicySource;
  /** Whether a workspace without a LogicalCluster is unknown, as on a kcp. */
  readonly requiresLogicalCluster: boolean;
}

export interface OpenPolicy {
  readonly policy: Policy;
  /** Resolves when every source has been in sync once, or the time (ms) is over, to those that were not. */
  settled(timeoutMs: number): Promise<readonly PolicyLayerStatus[]>;
  /** Stops following the sources; the last policy stays in force. */
  close(): Promise<void>;
}

/** The bootstrap policy's layer, also in metrics and health checks. */
export const bootstrapLayer = 'bootstrap';

/**
 * A policy that follows its sources.
 *
 * @throws the error of a source's `open` or `start`; then none is followed.
 */
export async function openPolicy(options: OpenPolicyOptions): Promise<OpenPolicy> {
  checkOptions(options, {
    sources: namedWith('start'),
    fallbacks: optional(aMap('names of sources')),
    snapshotFile: optional(aText),
    maxStalenessMs: optional(amount('milliseconds', 0, Infinity)),
    through: optional(aFunction),
  });
  const {
    sources,
    fallbacks,
    bootstrap = true,
    workspaces,
    maxStalenessMs,
    snapshotFile: file,
    onSnapshot: onResult,
    onChange,
    through = (_layer: string, sink: PolicySink) => sink,
  } = options;
  const ofRoot =
    typeof bootstrap === 'boolean'
      ? sources
      : [...sources, builtInUntilSynced(bootstrap, bootstrapObjects())];
  const followed = workspaces === undefined ? ofRoot : [...ofRoot, workspaces.source];
  const listeners = new Set<() => void>();
  const policy = new Policy({
    layers: [...ofRoot.map(({ name }) => name), ...(bootstrap === true ? [bootstrapLayer] : [])],
    workspaces:
      workspaces &&
      new WorkspaceIndex(workspaces.source.name, bootstrapLayer, workspaces.requiresLogicalCluster),
    ...presentOnly({ fallbacks, maxStalenessMs }),
    onChange: (changed) => {
      for (const listener of listeners) listener();
      tell('policy', onChange, changed);
    },
  });
  if (bootstrap === true) policy.sink(bootstrapLayer).replace(bootstrapObjects());
  let snapshot: PolicySnapshot | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(followed.map((source) => source.close()));
    await snapshot?.close();
  };
  try {
    await Promise.all(followed.map(async (source) => source.open?.()));
    if (file !== undefined) {
      const origins = new Map<string, string>();
      const lookUpOrigins = (): void => {
        for (const { name, origin } of followed) if (origin !== undefined) origins.set(name, origin);
      };
      lookUpOrigins();
      // A followed kubeconfig may name another server later.
      listeners.add(lookUpOrigins);
      snapshot = await PolicySnapshot.open({ file, policy, origins, ...presentOnly({ onResult }) });
      await snapshot.restore();
      listeners.add(snapshot.changed);
    }
    await Promise.all(followed.map((source) => source.start(through(source.name, policy.sink(source.name)))));
  } catch (error) {
    await close();
    throw error;
  }
  const missing = (): readonly PolicyLayerStatus[] =>
    policy.status().filter(({ layer, state }) => {
      const source = followed.find(({ name }) => name === layer);
      return state === 'syncing' || source?.hasSynced === false;
    });
  const settled = async (timeoutMs: number): Promise<readonly PolicyLayerStatus[]> => {
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        listeners.delete(look);
        resolve();
      };
      const look = (): void => {
        if (missing().length === 0) finish();
      };
      const timer = setTimeout(finish, timeoutMs);
      listeners.add(look);
      look();
    });
    return missing();
  };
  return { policy, settled, close };
}

/**
 * A source whose layer holds built-in objects until it is in sync with its server for the first time: if the server
 * cannot be read or reached, these are used.
 */
function builtInUntilSynced(source: PolicySource, objects: readonly PolicyObject[]): PolicySource {
  let hasSynced = false;
  return {
    name: source.name,
    get hasSynced() {
      return hasSynced;
    },
    open: async () => source.open?.(),
    async start(sink) {
      sink.replace(objects);
      await source.start({
        ...sink,
        markSynced() {
          hasSynced = true;
          sink.markSynced();
        },
        markStale(reason, since) {
          if (hasSynced) sink.markStale(reason, since);
        },
      });
    },
    close: () => source.close(),
  };
}
