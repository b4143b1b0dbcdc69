import { requestJson, type ApiClient } from '../kubernetes/api-client.js';
import { Backoff } from '../outgoing/backoff.js';
import { annotationPatch, patchFailureOf, type PatchFailure } from './annotation.js';
import { ChangeLedger, newSinceLastTime, OnceLedger } from './ledgers.js';
import { planReplication, type SkippedBinding } from './plan.js';
import { followRoot, type ObjectTableEvents } from './root-follower.js';
import { keyOf, type RoleGrants, type Change } from './root-objects.js';

/** What a replicator reports. */
export type ReplicationEvent =
  /** A change was made, or would have been: `isDryRun`. */
  | { readonly kind: 'changed'; readonly change: Change; readonly isDryRun: boolean }
  /** A binding stays on the root shard only, because its role grants more than metrics. */
  | { readonly kind: 'skipped'; readonly binding: SkippedBinding }
  /** A change is forbidden or impossible; reported again only for another reason. */
  | { readonly kind: 'refused'; readonly change: Change; readonly message: string }
  /** Another party keeps removing the annotation: it is added again after `delayMs` at the earliest. */
  | { readonly kind: 'contested'; readonly change: Change; readonly delayMs: number }
  /** The server is unreachable or busy; reported again only for another reason. */
  | { readonly kind: 'retrying'; readonly message: string; readonly delayMs: number }
  /** The state of root is unknown; nothing is changed until it is known again. */
  | { readonly kind: 'lost'; readonly message: string }
  /** The state of root is known again. */
  | { readonly kind: 'in-step' }
  /** The single run has failed. */
  | { readonly kind: 'gave-up'; readonly message: string };

/** The delays of a replicator. */
const defaultTiming = {
  /** How long changes are gathered before they are planned (ms). */
  gatherMs: 100,
  /** How long a patch may take (ms). */
  patchMs: 10_000,
  /** How long after a conflict to wait for the newer object (ms). */
  conflictMs: 1_000,
  /** How long to leave an object alone that must not be changed, unless it changes itself (ms). */
  refusedMs: 300_000,
  /** The longest first delay while the server is unreachable or busy (ms); doubles with each failure. */
  backoffBaseMs: 250,
  /** The longest delay of a retry (ms), unless the server asks for more. */
  backoffCapMs: 15_000,
};

interface ReplicatorOptions {
  /** Of the root workspace. */
  readonly client: ApiClient;
  /** What kcp's own roles grant, by name. */
  readonly bootstrap: ReadonlyMap<string, RoleGrants>;
  /** Only report what would be changed. Default false. */
  readonly isDryRun?: boolean;
  /** Run once instead of following changes. Default false. */
  readonly isOnce?: boolean;
  readonly onEvent: (event: ReplicationEvent) => void;
  readonly timing?: Partial<typeof defaultTiming>;
}

/** How often the lists of both kinds together may fail in a single run. */
const maxFailedLists = 8;

/**
 * Makes kcp copy the bindings of the root workspace that grant a shard-level path, and their roles, to every shard:
 * follows both kinds, plans what has to change and changes it, one patch at a time. Several replicators may run at once.
 */
export class Replicator implements ObjectTableEvents {
  readonly #timing: Readonly<typeof defaultTiming>;
  readonly #backoff: Backoff;
  readonly #root: ReturnType<typeof followRoot>;
  readonly #ledger = new ChangeLedger();
  readonly #once: OnceLedger | undefined;
  readonly #wakeUp = new WakeUp();
  readonly #newSkips = newSinceLastTime<SkippedBinding>(({ name, role }) => JSON.stringify([name, role]));
  readonly #newChanges = newSinceLastTime<Change>(({ action, object }) => action + keyOf(object));
  readonly #newContests = newSinceLastTime<Change>(({ object }) => keyOf(object));
  #running: Promise<boolean> | undefined;
  #isClosed = false;
  #isLost = false;
  #hasLooked = false;
  /** The server is not asked before this time. */
  #pausedUntil = 0;
  #lastFailure: string | undefined;

  constructor(private readonly options: ReplicatorOptions) {
    this.#timing = { ...defaultTiming, ...options.timing };
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = this.#timing;
    this.#backoff = new Backoff({ baseMs, capMs });
    this.#once = options.isOnce === true ? new OnceLedger() : undefined;
    let isRefused = false;
    let failures = 0;
    this.#root = followRoot(options.client, this, {
      listed: (_method, result) => {
        isRefused = result === 'refused';
      },
      retrying: (reason) => {
        failures += 1;
        // Nothing can begin before the first list.
        if (this.#root.isListed() || (!isRefused && failures < maxFailedLists)) return;
        this.#once?.giveUp(reason);
        this.#wakeUp.within(0);
      },
    });
  }

  /** Runs until `close`, or until a single run is done. Resolves to whether everything succeeded. */
  run(): Promise<boolean> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Lets a patch in progress finish, then resolves; idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wakeUp.within(0);
    await this.#running;
  }

  async #run(): Promise<boolean> {
    this.#root.start();
    try {
      while (!this.#isStopped() && !this.#isDone()) {
        await this.#wakeUp.next();
        if (this.#mayAct()) await this.#round();
      }
    } finally {
      await this.#root.close();
      this.#wakeUp.cancel();
    }
    if (this.#once === undefined) return true;
    const { fault, isComplete } = this.#once;
    if (fault !== undefined) this.options.onEvent({ kind: 'gave-up', message: fault });
    return isComplete && this.#isDone();
  }

  /** One round over everything known. */
  async #round(): Promise<void> {
    const { onEvent, bootstrap, isDryRun = false } = this.options;
    const { changes, skipped } = planReplication(this.#root.policy(), bootstrap);
    this.#hasLooked = true;
    for (const binding of this.#newSkips(skipped)) onEvent({ kind: 'skipped', binding });
    if (isDryRun) {
      for (const change of this.#newChanges(changes)) onEvent({ kind: 'changed', change, isDryRun });
      return;
    }
    this.#ledger.retainHolds(changes);
    for (const change of this.#newContests(changes.filter((each) => this.#ledger.contestedMs(each) > 0))) {
      onEvent({ kind: 'contested', change, delayMs: this.#ledger.contestedMs(change) });
    }
    for (const change of changes) {
      const { kind, name } = change.object;
      // An object changed by an earlier patch of this round is planned again in the next one.
      const isCurrent = this.#root.tables[kind].items.get(name) === change.object;
      if (!this.#mayAct() || !isCurrent) continue;
      if (this.#once?.isSettled(change) === true) continue;
      if (this.#remainingMs(change) === 0) await this.#apply(change);
      this.#wakeUp.within(this.#remainingMs(change));
    }
  }

  async #apply(change: Change): Promise<void> {
    const { client, onEvent } = this.options;
    let failure: PatchFailure | undefined;
    try {
      const signal = AbortSignal.timeout(this.#timing.patchMs);
      const object = await requestJson(client, { ...annotationPatch(change), signal });
      this.#lastFailure = undefined;
      this.#backoff.reset();
      // Until the newer object is known: at once, if the answer can be read.
      this.#ledger.hold(change.object, this.#timing.conflictMs);
      this.#ledger.made(change);
      onEvent({ kind: 'changed', change, isDryRun: false });
      this.#root.tables[change.object.kind].learn(object);
    } catch (error) {
      failure = patchFailureOf(error, change.object);
      this.#failed(change, failure);
    }
    if (this.#once?.record(change, failure) === true) {
      onEvent({ kind: 'refused', change, message: 'it changes faster than it can be annotated' });
    }
  }

  #failed(change: Change, failure: PatchFailure): void {
    const { conflictMs, refusedMs } = this.#timing;
    const { onEvent } = this.options;
    if (failure.kind === 'unavailable') {
      const { message, retryAfterMs } = failure;
      const delayMs = this.#backoff.next(retryAfterMs);
      this.#pausedUntil = performance.now() + delayMs;
      if (message !== this.#lastFailure) onEvent({ kind: 'retrying', message, delayMs });
      this.#lastFailure = message;
      return;
    }
    const message = failure.kind === 'refused' ? failure.message : '';
    const holdMs = failure.kind === 'conflict' ? conflictMs : refusedMs;
    const isNew = this.#ledger.hold(change.object, holdMs, message);
    if (isNew && message !== '') onEvent({ kind: 'refused', change, message });
  }

  /** How long to wait before a change (ms). */
  #remainingMs(change: Change): number {
    return Math.max(this.#pausedUntil - performance.now(), this.#ledger.remainingMs(change));
  }

  #isStopped(): boolean {
    return this.#isClosed || this.#once?.fault !== undefined;
  }

  /** A single run may use an old list; while following, nothing is changed on outdated knowledge. */
  #mayAct(): boolean {
    return !this.#isStopped() && (this.#once === undefined ? this.#root.isInStep() : this.#root.isListed());
  }

  /** Whether a single run is done. */
  #isDone(): boolean {
    const once = this.#once;
    const { bootstrap, isDryRun = false } = this.options;
    if (once === undefined || !this.#hasLooked) return false;
    return (
      isDryRun ||
      planReplication(this.#root.policy(), bootstrap).changes.every((change) => once.isSettled(change))
    );
  }

  onChange(): void {
    if (this.#isLost && this.#root.isInStep()) {
      this.#isLost = false;
      this.options.onEvent({ kind: 'in-step' });
    }
    this.#wakeUp.within(this.#timing.gatherMs);
  }

  onLost(message: string): void {
    // A single run reports the reason at its end, if it fails.
    if (this.#once !== undefined) return;
    this.#isLost = true;
    this.options.onEvent({ kind: 'lost', message });
  }
}

/** Lets a loop sleep until the earliest of its wake-up times. */
export class WakeUp {
  #at = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #sleeper: (() => void) | undefined;

  /** Wakes the loop after this many ms at the latest. If it is busy then, it does not sleep next time. */
  within(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#at) return;
    this.cancel();
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Infinity;
      this.#isDue = true;
      this.#sleeper?.();
    }, ms);
  }

  async next(): Promise<void> {
    if (!this.#isDue) {
      await new Promise<void>((resolve) => {
        this.#sleeper = resolve;
      });
    }
    this.#isDue = false;
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
