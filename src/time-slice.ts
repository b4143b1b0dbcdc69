import { setImmediate as nextTurn } from 'node:timers/promises';

/** Serializes the rests of this process: each gets its own turn of the event loop. */
let lastRest: Promise<void> = Promise.resolve();

/** The end of the slices that began in this turn of the event loop; undefined if none did. */
let turnEnd: number | undefined;

/**
 * Keeps long work from blocking the event loop: check `isOver` after each step. All work in one turn of the event loop
 * shares one slice.
 */
export class TimeSlice {
  #end = 0;

  /** @param sliceMs work without a rest (ms). */
  constructor(readonly sliceMs = 4) {}

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** Begins without a rest, in what is left of this turn's slice, for work that mostly fits into one slice. */
  begin(): this {
    if (turnEnd === undefined) {
      turnEnd = performance.now() + this.sliceMs;
      setImmediate(() => (turnEnd = undefined));
    }
    this.#end = turnEnd;
    return this;
  }

  /** Yields to the event loop, then begins the next slice. */
  async rest(): Promise<void> {
    lastRest = lastRest.then(() => nextTurn());
    await lastRest;
    turnEnd = undefined;
    this.begin();
  }
}

/** Runs all steps, with a rest after each slice. */
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

/** Runs all steps without a rest. */
export function runAll<Result>(steps: Generator<undefined, Result, undefined>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
