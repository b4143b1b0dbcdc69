/** Of the time, snapshots of a large policy that keeps changing may be written for a tenth. */
const restPerWrite = 9;

export interface SnapshotScheduleOptions {
  /** Saves, and resolves to whether that went well; never rejects. */
  readonly save: () => Promise<boolean>;
  /** Whether to save although nothing changed, `rounds` times `everyMs` after the last time. */
  readonly isRefreshDue: (rounds: number) => boolean;
  /** How long after the first change that is not saved (ms). */
  readonly quietMs: number;
  /** How often to save anew, or to try again (ms). */
  readonly everyMs: number;
  /** Clock in ms. */
  readonly now: () => number;
}

/** When a snapshot is written: soon after a change, from time to time without one, and never twice at once. */
export class SnapshotSchedule {
  readonly #options: SnapshotScheduleOptions;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #isStarted = false;
  #hasChanged = false;
  #hasFailed = false;
  #rounds = 0;
  #restMs = 0;

  constructor(options: SnapshotScheduleOptions) {
    this.#options = options;
  }

  /** Before this nothing is saved, and no change is minded. */
  start(): void {
    this.#isStarted = true;
    this.#arm();
  }

  changed(): void {
    if (this.#hasChanged || !this.#isStarted) return;
    this.#hasChanged = true;
    this.#arm();
  }

  /** Saves what is not saved, and then no more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#saving;
    if (this.#isStarted && this.#isDue(Infinity)) await this.#save();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (!this.#isStarted || this.#saving !== undefined || this.#closing !== undefined) return;
    const { quietMs, everyMs } = this.#options;
    const delayMs = this.#hasChanged ? Math.max(quietMs, this.#restMs) : everyMs;
    this.#timer = setTimeout(() => {
      this.#rounds += 1;
      if (this.#isDue(this.#rounds)) void this.#save();
      else this.#arm();
    }, delayMs).unref();
  }

  #isDue(rounds: number): boolean {
    return this.#hasChanged || this.#hasFailed || this.#options.isRefreshDue(rounds);
  }

  #save(): Promise<void> {
    this.#saving = this.#saveOnce().finally(() => {
      this.#saving = undefined;
      this.#arm();
    });
    return this.#saving;
  }

  async #saveOnce(): Promise<void> {
    const { save, everyMs, now } = this.#options;
    this.#hasChanged = false;
    const begun = now();
    this.#hasFailed = !(await save());
    this.#rounds = 0;
    this.#restMs = Math.min(everyMs, restPerWrite * (now() - begun));
  }
}
