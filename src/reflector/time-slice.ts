import { setImmediate } from 'node:timers/promises';

/** Keeps long work from holding the event loop: ask after each step whether to rest. */
export class TimeSlice {
  #end = 0;

  /** @param sliceMs of work in one go. */
  constructor(readonly sliceMs: number) {}

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets everything else have its turn; the next slice begins then. */
  async rest(): Promise<void> {
    await setImmediate();
    this.#end = performance.now() + this.sliceMs;
  }
}
