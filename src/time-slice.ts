import { setImmediate as nextTurn } from 'node:timers/promises';

/** All rests of this process end one after another, each in a turn of the event loop of its own. */
let lastRest: Promise<void> = Promise.resolve();

/** When the slices that began in this turn of the event loop are over; undefined where none has begun. */
let turnEnd: number | undefined;

/**
 * Keeps long work from holding the event loop: ask after each step whether to rest. However many works go on at
 * once, those of one turn of the event loop share one slice.
 */
export class TimeSlice {
  #end = 0;

  /** @param sliceMs of work in one go. */
  constructor(readonly sliceMs = 4) {}

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** Begins without a rest, for work that is mostly over within one slice, with what is left of this turn's. */
  begin(): this {
    if (turnEnd === undefined) {
      turnEnd = performance.now() + this.sliceMs;
      setImmediate(() => (turnEnd = undefined));
    }
    this.#end = turnEnd;
    return this;
  }

  /** Lets everything else have its turn; the next slice begins then. */
  async rest(): Promise<void> {
    lastRest = lastRest.then(() => nextTurn());
    await lastRest;
    turnEnd = undefined;
    this.begin();
  }
}

/** Runs steps to their end, and rests whenever a slice is over. */
export async function runInSlices<Result>(
  steps: Generator<undefined, Result, undefined>,
  slice = new TimeSlice(),
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.rest();
  }
}

/** Runs steps to their end in one go. */
export function runAll<Result>(steps: Generator<undefined, Result, undefined>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
