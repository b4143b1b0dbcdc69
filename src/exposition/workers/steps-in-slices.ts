import { TimeSlice } from '../../time-slice.js';

/** Runs steps to their end, and lets others have the event loop every few milliseconds. */
export async function runStepsInSlices<Result>(
  steps: Generator<undefined, Result, undefined>,
  slice = new TimeSlice(4),
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.rest();
  }
}
