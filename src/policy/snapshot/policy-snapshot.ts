import { Callbacks } from '../../kubernetes/reflector/callbacks.js';
import type { Policy, PolicyLayerStatus } from '../policy.js';
import { writeSnapshot, type SnapshotLayer } from './snapshot-file.js';
import { checkSnapshotPlace } from './snapshot-place.js';
import { restoreSnapshot } from './snapshot-restore.js';
import type { SnapshotResult } from './snapshot-result.js';
import { SnapshotSchedule } from './snapshot-schedule.js';

export { checkSnapshotPlace } from './snapshot-place.js';
export { SnapshotError } from './snapshot-error.js';
export type { SnapshotResult } from './snapshot-result.js';

export interface PolicySnapshotOptions {
  readonly file: string;
  readonly policy: Policy;
  /** The layers that it covers, and where each comes from. */
  readonly origins: ReadonlyMap<string, string>;
  /** Called after each attempt; the same failure to write is told once. */
  readonly onResult?: (result: SnapshotResult) => void;
  /** How long after a change it is written (ms). Default: 1,000. */
  readonly quietMs?: number;
  /** How often it is written although nothing changed, since the time it bears matters (ms). Default: 60,000. */
  readonly everyMs?: number;
  /** Clock in ms, for tests. */
  readonly now?: () => number;
}

/** A policy of more objects is written anew less often while it stays the same. */
const maxSmallPolicy = 10_000;
const roundsOfLargePolicy = 10;

/**
 * Keeps a policy in a file, so that a process which starts while its sources are away has the last one known:
 * stale, and as old as it is. A layer that is not loaded yet is left out of the file; one that was restored
 * and is still stale is kept with its old time. No fault of the file is thrown.
 */
export class PolicySnapshot {
  readonly #options: PolicySnapshotOptions;
  readonly #schedule: SnapshotSchedule;
  readonly #callbacks: Callbacks;
  readonly #now: () => number;
  /** What failed since the last success. */
  readonly #failures = new Set<string>();
  #restoring: Promise<readonly string[]> | undefined;
  #isClosed = false;

  constructor(options: PolicySnapshotOptions) {
    const { policy, origins, quietMs = 1000, everyMs = 60_000, now = Date.now } = options;
    this.#options = options;
    this.#callbacks = new Callbacks(`policy snapshot ${options.file}`);
    // A name that is none shows at once.
    for (const layer of origins.keys()) policy.sink(layer);
    this.#now = now;
    this.#schedule = new SnapshotSchedule({
      save: () => this.#write(),
      isRefreshDue: (rounds) => this.#isRefreshDue(rounds),
      quietMs,
      everyMs,
      now,
    });
  }

  /** Makes one once it is sure that snapshots can be kept at the file. Throws SnapshotError where they cannot. */
  static async open(options: PolicySnapshotOptions): Promise<PolicySnapshot> {
    await checkSnapshotPlace(options.file);
    return new PolicySnapshot(options);
  }

  /**
   * Fills the layers that are not loaded yet and resolves to their names. To be called once, before the sources
   * are started: until then nothing is written, so that no file is replaced before it was read.
   */
  restore(): Promise<readonly string[]> {
    const restoring = this.#restore();
    this.#restoring = restoring;
    return restoring;
  }

  /** To be called at each change of the policy; bound, so that it can be handed on. */
  readonly changed = (): void => {
    this.#schedule.changed();
  };

  /** Writes what is not written yet, and how fresh it is; then no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#restoring;
    await this.#schedule.close();
  }

  async #restore(): Promise<readonly string[]> {
    const { file, policy, origins } = this.#options;
    const restored = await restoreSnapshot({
      file,
      policy,
      origins,
      tell: (result) => {
        this.#tell(result);
      },
      isWanted: () => !this.#isClosed,
      now: this.#now,
    });
    this.#schedule.start();
    // What was restored need not be written; what a source said meanwhile is new.
    if (this.#status().some(({ state }) => state === 'synced')) this.#schedule.changed();
    return restored;
  }

  async #write(): Promise<boolean> {
    const { policy } = this.#options;
    // Half a policy is worse than the last one; the end of its replacement is a change, too.
    if (this.#status().some(({ layer }) => !policy.isWhole(layer))) return true;
    const snapshot = this.#snapshot();
    if (snapshot.length === 0) return true;
    const layers = snapshot.map(({ layer }) => layer);
    try {
      await writeSnapshot(this.#options.file, snapshot);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#failures.has(message)) {
        this.#failures.add(message);
        this.#tell({ operation: 'write', result: 'failure', message, layers });
      }
      return false;
    }
    this.#failures.clear();
    this.#tell({ operation: 'write', result: 'success', layers });
    return true;
  }

  /** All that is known now, taken in one turn. A clock that was set back must not make it one of the future. */
  #snapshot(): readonly SnapshotLayer[] {
    const { policy, origins } = this.#options;
    return this.#status().flatMap(({ layer, syncedAt }) => {
      const origin = origins.get(layer);
      // Of a layer that was never in step nothing is known.
      if (origin === undefined || syncedAt === undefined) return [];
      return [{ layer, origin, syncedAt: Math.min(syncedAt, this.#now()), objects: policy.objects(layer) }];
    });
  }

  #isRefreshDue(rounds: number): boolean {
    const covered = this.#status();
    const objects = covered.reduce(
      (sum, status) => sum + status.clusterRoles + status.clusterRoleBindings,
      0,
    );
    const isDue = objects <= maxSmallPolicy || rounds >= roundsOfLargePolicy;
    return isDue && covered.some(({ state }) => state === 'synced');
  }

  #status(): readonly PolicyLayerStatus[] {
    return this.#options.policy.status().filter(({ layer }) => this.#options.origins.has(layer));
  }

  #tell(result: SnapshotResult): void {
    this.#callbacks.call(() => this.#options.onResult?.(result));
  }
}
