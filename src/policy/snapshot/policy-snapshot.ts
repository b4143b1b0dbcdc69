import { messageOf } from '../../error-class.js';
import { tell } from '../../tell.js';
import { runInSlices } from '../../time-slice.js';
import type { PolicyObject } from '../objects.js';
import type { Policy, PolicyLayerStatus } from '../policy.js';
import { readSnapshot, writeSnapshot } from './snapshot-file.js';
import type { SnapshotLayer } from './snapshot-format.js';
import { checkSnapshotPlace } from './snapshot-place.js';

/** The outcome of an attempt to read or to write a snapshot. */
export type SnapshotResult = {
  /** The layers that it is about. */
  readonly layers: readonly string[];
} & (
  | {
      readonly operation: 'restore';
      /** `refused`: the file, or these layers of it, must not be trusted. `missing`: there is no file. */
      readonly result: 'success' | 'refused' | 'missing';
      /** One line, which names the file. */
      readonly message: string;
    }
  | { readonly operation: 'write'; readonly result: 'success'; readonly message?: undefined }
  | { readonly operation: 'write'; readonly result: 'failure'; readonly message: string }
);

export interface PolicySnapshotOptions {
  readonly file: string;
  readonly policy: Policy;
  /** The layers that it covers, and where each comes from. */
  readonly origins: ReadonlyMap<string, string>;
  /** Called after each attempt; once for the same failure to write. */
  readonly onResult?: (result: SnapshotResult) => void;
  /** How long after a change it is written (ms). Default: 1,000. */
  readonly quietMs?: number;
  /** How often it is written although nothing changed, since the time in it matters (ms). Default: 60,000. */
  readonly everyMs?: number;
  /** Clock in ms, for tests. */
  readonly now?: () => number;
}

const defaults = { quietMs: 1000, everyMs: 60_000, now: Date.now };

/** A policy of more objects is written that many times less often while it stays the same. */
const maxSmallPolicy = 10_000;
const largePolicyFactor = 10;
/** How many times as long as a write took to wait before the next: a tenth of the time may be spent writing. */
const restPerWrite = 9;

/**
 * Keeps a policy in a file, so that a process which starts while its sources are away has the last one known: stale,
 * and as old as it is. It is written soon after a change, from time to time without one, and never twice at once. A
 * layer that is not loaded yet is left out of the file; one that was restored and is still stale keeps its old time. No
 * fault of the file is thrown.
 */
export class PolicySnapshot {
  readonly #options: PolicySnapshotOptions & typeof defaults;
  /** What failed since the last success. */
  readonly #failures = new Set<string>();
  #restoring: Promise<readonly string[]> | undefined;
  #isRestored = false;
  #saving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  #restMs = 0;

  constructor(options: PolicySnapshotOptions) {
    this.#options = { ...defaults, ...options };
    // The name of a layer that does not exist throws at once.
    for (const layer of options.origins.keys()) options.policy.sink(layer);
  }

  /** Creates one after checking that snapshots can be kept at the file. Throws SnapshotError if not. */
  static async open(options: PolicySnapshotOptions): Promise<PolicySnapshot> {
    await checkSnapshotPlace(options.file);
    return new PolicySnapshot(options);
  }

  /**
   * Fills the layers that are not loaded yet and resolves to their names. Call it once, before the sources are started:
   * until then nothing is written, so that no file is replaced before it was read.
   */
  restore(): Promise<readonly string[]> {
    this.#restoring = this.#restore();
    return this.#restoring;
  }

  /** Call it at each change of the policy; bound, so that it can be passed on. */
  readonly changed = (): void => {
    if (this.#hasChanged || !this.#isRestored) return;
    this.#hasChanged = true;
    this.#arm();
  };

  /** Writes unwritten changes and the time of the last sync; then nothing more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #restore(): Promise<readonly string[]> {
    const { file, now } = this.#options;
    const snapshot = await readSnapshot(file, now).catch((error: unknown) => {
      this.#report({ operation: 'restore', result: 'refused', message: messageOf(error), layers: [] });
      return [];
    });
    if (snapshot === undefined) this.#reportRestore('missing', 'does not exist yet');
    const layers = this.#restoreLayers(snapshot ?? []);
    this.#isRestored = true;
    // Restored content need not be written; updates since then must.
    this.#hasChanged = this.#status().some(({ state }) => state === 'synced');
    this.#arm();
    return layers;
  }

  /** Fills the layers that are not loaded yet and returns their names. */
  #restoreLayers(snapshot: readonly SnapshotLayer[]): readonly string[] {
    const { policy, origins, now } = this.#options;
    // Only content of the same source counts, even under the same name.
    const own = snapshot.filter(({ layer, origin }) => {
      const expected = origins.get(layer);
      if (expected === origin) return true;
      const why =
        expected === undefined
          ? 'it has no source here'
          : `it is from ${JSON.stringify(origin)}, not from ${JSON.stringify(expected)}`;
      this.#reportRestore('refused', `policy layer ${JSON.stringify(layer)} is not restored: ${why}`, [
        layer,
      ]);
      return false;
    });
    const restored: string[] = [];
    const shown: string[] = [];
    for (const { layer, syncedAt, objects } of own) {
      const status = this.#status().find((candidate) => candidate.layer === layer);
      // Its source may have been faster.
      if (status?.state !== 'syncing' || this.#closing !== undefined) continue;
      const time = new Date(syncedAt).toISOString();
      // A clock that was ahead must not make the policy look younger.
      policy.sink(layer).restore(objects, Math.min(syncedAt, now()), `restored from the snapshot of ${time}`);
      restored.push(layer);
      shown.push(`${JSON.stringify(layer)} as of ${time}`);
    }
    if (shown.length > 0)
      this.#reportRestore('success', `restored policy layer ${shown.join(' and ')}`, restored);
    else if (own.length > 0) this.#reportRestore('success', 'not needed, its policy layers are loaded');
    return restored;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#restoring;
    await this.#saving;
    if (this.#isRestored && this.#isDue()) await this.#save();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#saving !== undefined || this.#closing !== undefined) return;
    const { quietMs, everyMs } = this.#options;
    const objects = this.#status().reduce((sum, of) => sum + of.clusterRoles + of.clusterRoleBindings, 0);
    const isSeldom = objects > maxSmallPolicy && this.#failures.size === 0;
    const refreshMs = isSeldom ? largePolicyFactor * everyMs : everyMs;
    this.#timer = setTimeout(
      () => {
        if (this.#isDue()) void this.#save();
        else this.#arm();
      },
      this.#hasChanged ? Math.max(quietMs, this.#restMs) : refreshMs,
    ).unref();
  }

  #isDue(): boolean {
    const isTimeNews = this.#status().some(({ state }) => state === 'synced');
    return this.#hasChanged || this.#failures.size > 0 || isTimeNews;
  }

  #save(): Promise<void> {
    this.#saving = this.#saveOnce().finally(() => {
      this.#saving = undefined;
      this.#arm();
    });
    return this.#saving;
  }

  async #saveOnce(): Promise<void> {
    const { file, everyMs, now } = this.#options;
    this.#hasChanged = false;
    const begun = now();
    const snapshot = await runInSlices(this.#snapshot());
    const layers = snapshot.map(({ layer }) => layer);
    try {
      if (layers.length > 0) {
        await writeSnapshot(file, snapshot);
        this.#failures.clear();
        this.#report({ operation: 'write', result: 'success', layers });
      }
    } catch (error) {
      const message = messageOf(error);
      if (!this.#failures.has(message))
        this.#report({ operation: 'write', result: 'failure', message, layers });
      this.#failures.add(message);
    }
    this.#restMs = Math.min(everyMs, restPerWrite * (now() - begun));
  }

  /** The present content, in steps. A clock that was set back must not date it in the future. */
  *#snapshot(): Generator<undefined, readonly SnapshotLayer[], undefined> {
    const { policy, origins, now } = this.#options;
    const covered = this.#status();
    // Half a policy is worse than the last one; the end of the replacement triggers another write.
    const isBeingReplaced = (): boolean => covered.some(({ layer }) => !policy.isWhole(layer));
    if (isBeingReplaced()) return [];
    const snapshot: SnapshotLayer[] = [];
    for (const { layer, syncedAt } of covered) {
      // A layer that was never in sync has no content.
      if (syncedAt === undefined) continue;
      const objects: PolicyObject[] = [];
      for (const part of policy.parts(layer)) {
        for (const object of part) objects.push(object);
        // Root's layers are all of one moment, since a binding of one may name a role of another.
        if (layer === policy.workspaces?.layer) yield;
        if (isBeingReplaced()) return [];
      }
      const origin = origins.get(layer) ?? '';
      snapshot.push({ layer, origin, syncedAt: Math.min(syncedAt, now()), objects });
    }
    return snapshot;
  }

  #status(): readonly PolicyLayerStatus[] {
    return this.#options.policy.status().filter(({ layer }) => this.#options.origins.has(layer));
  }

  #reportRestore(
    result: 'success' | 'refused' | 'missing',
    what: string,
    layers: readonly string[] = [],
  ): void {
    this.#report({ operation: 'restore', result, message: `${this.#options.file}: ${what}`, layers });
  }

  #report(result: SnapshotResult): void {
    tell(`policy snapshot ${this.#options.file}`, this.#options.onResult, result);
  }
}
