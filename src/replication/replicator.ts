import type { ApiClient } from '../kubernetes/api-client.js';
import { MalformedObjectError } from '../policy/sources/object-fields.js';
import type { ReflectorObserver } from '../kubernetes/reflector/reflector-sink.js';
import { OnceLedger } from './once-ledger.js';
import { Patcher } from './patcher.js';
import { planReplication, type Change } from './plan.js';
import { defaultTiming, type ReplicatorTiming } from './replicator-timing.js';
import type { ReplicationEvent } from './replication-event.js';
import type { RoleGrants } from './role-grants.js';
import { RootFollower } from './root-follower.js';
import { keyOf } from './root-object.js';
import { StandingNotices } from './standing-notices.js';
import { WakeUp } from './wake-up.js';

export interface ReplicatorOptions {
  /** Of the root workspace. */
  readonly client: ApiClient;
  /** What kcp's own roles grant, by name. */
  readonly bootstrap: ReadonlyMap<string, RoleGrants>;
  /** Tell what would be changed, and change nothing. Default false. */
  readonly isDryRun?: boolean;
  /** Deal with what there is, once, instead of following it. Default false. */
  readonly isOnce?: boolean;
  readonly onEvent: (event: ReplicationEvent) => void;
  readonly timing?: Partial<ReplicatorTiming>;
}

/** How often the lists of both kinds may fail, together, where all is to be done once. */
const maxFailedLists = 8;

/**
 * Makes kcp copy the bindings of the root workspace that grant a shard-level path, and their roles, to every
 * shard: follows both kinds, plans what has to change and changes it, one patch at a time. Replicators beside
 * each other do no harm.
 */
export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #timing: ReplicatorTiming;
  readonly #root: RootFollower;
  readonly #patcher: Patcher;
  readonly #ledger: OnceLedger | undefined;
  readonly #wakeUp = new WakeUp();
  readonly #skips = new StandingNotices();
  readonly #dryRunChanges = new StandingNotices();
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
    this.#root = new RootFollower({
      client,
      onChange: () => {
        this.#changed();
      },
      onLost: (reason) => {
        this.#lost(reason);
      },
      ...(this.#ledger === undefined ? {} : { observer: this.#firstListObserver(this.#ledger) }),
    });
  }

  /**
   * Begins, and goes on until `close`, or until all is done that is to be done once. Resolves to whether nothing
   * had to be left undone.
   */
  run(): Promise<boolean> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Lets a patch that is under way come to its end, and resolves when nothing runs any more; idempotent. */
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
    const { surrender, isComplete } = this.#ledger;
    if (surrender !== undefined) this.#options.onEvent({ kind: 'gave-up', message: surrender });
    return isComplete && this.#isDone();
  }

  /** One look at everything that is known. */
  async #round(): Promise<void> {
    const { onEvent, isDryRun = false } = this.#options;
    const { changes, skipped } = this.#plan();
    this.#hasLooked = true;
    for (const binding of this.#skips.fresh(skipped, ({ name, role }) => JSON.stringify([name, role]))) {
      onEvent({ kind: 'skipped', binding });
    }
    if (isDryRun) {
      for (const change of this.#dryRunChanges.fresh(
        changes,
        ({ action, object }) => action + keyOf(object),
      )) {
        onEvent({ kind: 'changed', change, isDryRun });
      }
      return;
    }
    this.#patcher.plan(changes);
    for (const change of changes) {
      // Whatever a patch before has changed is planned anew in the next round.
      if (!this.#mayAct() || !this.#root.isCurrent(change.object)) continue;
      if (this.#ledger?.isSettled(change) !== true) await this.#applyInTime(change);
    }
  }

  async #applyInTime(change: Change): Promise<void> {
    if (this.#patcher.remainingMs(change) === 0) {
      const result = await this.#patcher.apply(change);
      if (this.#ledger?.record(change, result) === true) {
        this.#options.onEvent({
          kind: 'refused',
          change,
          message: 'it changes faster than it can be annotated',
        });
      }
      if (result.kind === 'patched') this.#learn(change, result.object);
    }
    this.#wakeUp.within(this.#patcher.remainingMs(change));
  }

  #learn({ object: { kind } }: Change, answer: unknown): void {
    try {
      this.#root.learn(kind, answer);
    } catch (error) {
      // Then the watch will tell.
      if (!(error instanceof MalformedObjectError)) throw error;
    }
  }

  #plan(): ReturnType<typeof planReplication> {
    return planReplication(this.#root, this.#options.bootstrap);
  }

  /** What is known of the past is enough to deal with it once; who follows must not act on old news. */
  #mayAct(): boolean {
    if (this.#isClosed || this.#ledger?.surrender !== undefined) return false;
    return this.#ledger === undefined ? this.#root.isInStep : this.#root.isListed;
  }

  #isOver(): boolean {
    return this.#isClosed || this.#ledger?.surrender !== undefined || this.#isDone();
  }

  /** Whether all is dealt with that was to be dealt with once. */
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
    // What is done once ends with the reason, if it comes to that.
    if (this.#ledger !== undefined) return;
    this.#isLost = true;
    this.#options.onEvent({ kind: 'lost', message });
  }

  /** Without a list there is nothing to begin with. */
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
