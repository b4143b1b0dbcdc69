import type { ApiClient } from '../kubernetes/api-client.js';
import type { ReflectorObserver } from '../kubernetes/reflector/reflector-options.js';
import { newSinceLastTime, OnceLedger } from './ledgers.js';
import { defaultTiming, Patcher, type ReplicationEvent, type ReplicatorTiming } from './patcher.js';
import { planReplication, type Plan, type SkippedBinding } from './plan.js';
import { RootFollower, type ObjectTableEvents } from './root-follower.js';
import { keyOf, type RoleGrants, type Change } from './root-objects.js';

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
  readonly timing?: Partial<ReplicatorTiming>;
}

/** How often the lists of both kinds together may fail in a single run. */
const maxFailedLists = 8;

/**
 * Makes kcp copy the bindings of the root workspace that grant a shard-level path, and their roles, to every shard:
 * follows both kinds, plans what has to change and changes it, one patch at a time. Several replicators may run at once.
 */
export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #timing: ReplicatorTiming;
  readonly #root: RootFollower;
  readonly #patcher: Patcher;
  readonly #ledger: OnceLedger | undefined;
  readonly #wakeUp = new WakeUp();
  readonly #newSkips = newSinceLastTime<SkippedBinding>(({ name, role }) => JSON.stringify([name, role]));
  readonly #newChanges = newSinceLastTime<Change>(({ action, object }) => action + keyOf(object));
  #running: Promise<boolean> | undefined;
  #isClosed = false;
  #isLost = false;
  #hasLooked = false;

  constructor(options: ReplicatorOptions) {
    const { client, onEvent, isOnce = false, timing } = options;
    this.#options = options;
    this.#timing = { ...defaultTiming, ...timing };
    this.#patcher = new Patcher({ client, onEvent, timing: this.#timing });
    this.#ledger = isOnce ? new OnceLedger() : undefined;
    const events: ObjectTableEvents = {
      onChange: () => {
        this.#changed();
      },
      onLost: (reason) => {
        this.#lost(reason);
      },
    };
    this.#root = new RootFollower(client, events, this.#ledger && this.#firstListObserver(this.#ledger));
  }

  /**
   * Runs until `close`, or until a single run is done. Resolves to whether everything succeeded.
   */
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
      while (!this.#isOver()) {
        await this.#wakeUp.next();
        if (this.#mayAct()) await this.#round();
      }
    } finally {
      await this.#root.close();
      this.#wakeUp.cancel();
    }
    if (this.#ledger === undefined) return true;
    const { fault, isComplete } = this.#ledger;
    if (fault !== undefined) this.#options.onEvent({ kind: 'gave-up', message: fault });
    return isComplete && this.#isDone();
  }

  /** One round over everything known. */
  async #round(): Promise<void> {
    const { onEvent, isDryRun = false } = this.#options;
    const { changes, skipped } = this.#plan();
    this.#hasLooked = true;
    for (const binding of this.#newSkips(skipped)) onEvent({ kind: 'skipped', binding });
    if (isDryRun) {
      for (const change of this.#newChanges(changes)) onEvent({ kind: 'changed', change, isDryRun });
      return;
    }
    this.#patcher.plan(changes);
    for (const change of changes) {
      // An object changed by an earlier patch of this round is planned again in the next one.
      if (!this.#mayAct() || !this.#root.isCurrent(change.object)) continue;
      if (this.#ledger?.isSettled(change) !== true) await this.#applyInTime(change);
    }
  }

  async #applyInTime(change: Change): Promise<void> {
    if (this.#patcher.remainingMs(change) === 0) {
      const result = await this.#patcher.apply(change);
      if (this.#ledger?.record(change, result) === true) {
        const message = 'it changes faster than it can be annotated';
        this.#options.onEvent({ kind: 'refused', change, message });
      }
      if (result.kind === 'patched') this.#root.learn(change.object.kind, result.object);
    }
    this.#wakeUp.within(this.#patcher.remainingMs(change));
  }

  #plan(): Plan {
    return planReplication(this.#root, this.#options.bootstrap);
  }

  /** A single run may use an old list; while following, nothing is changed on outdated knowledge. */
  #mayAct(): boolean {
    if (this.#isClosed || this.#ledger?.fault !== undefined) return false;
    return this.#ledger === undefined ? this.#root.isInStep : this.#root.isListed;
  }

  #isOver(): boolean {
    return this.#isClosed || this.#ledger?.fault !== undefined || this.#isDone();
  }

  /** Whether a single run is done. */
  #isDone(): boolean {
    const ledger = this.#ledger;
    if (ledger === undefined || !this.#hasLooked) return false;
    return (
      this.#options.isDryRun === true || this.#plan().changes.every((change) => ledger.isSettled(change))
    );
  }

  #changed(): void {
    if (this.#isLost && this.#root.isInStep) {
      this.#isLost = false;
      this.#options.onEvent({ kind: 'in-step' });
    }
    this.#wakeUp.within(this.#timing.gatherMs);
  }

  #lost(message: string): void {
    // A single run reports the reason at its end, if it fails.
    if (this.#ledger !== undefined) return;
    this.#isLost = true;
    this.#options.onEvent({ kind: 'lost', message });
  }

  /** Nothing can begin before the first list. */
  #firstListObserver(ledger: OnceLedger): ReflectorObserver {
    let isRefused = false;
    let failures = 0;
    return {
      listed: (_method, result) => {
        isRefused = result === 'refused';
      },
      retrying: (reason) => {
        failures += 1;
        if (this.#root.isListed || (!isRefused && failures < maxFailedLists)) return;
        ledger.giveUp(reason);
        this.#wakeUp.within(0);
      },
    };
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
