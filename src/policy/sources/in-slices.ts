import type { PolicyObject } from '../objects.js';
import type { PolicySink } from '../policy-sink.js';
import { TimeSlice } from '../../time-slice.js';

/** Runs steps to their end, and lets others have the event loop every few milliseconds. */
export async function runInSlices<Result>(
  steps: Generator<undefined, Result, undefined>,
  sliceMs = 4,
): Promise<Result> {
  const slice = new TimeSlice(sliceMs);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.rest();
  }
}

/** Replaces all that a sink holds, in slices where it can. */
export async function replaceInSlices(sink: PolicySink, objects: readonly PolicyObject[]): Promise<void> {
  const steps = sink.replaceAll?.(objects);
  if (steps === undefined) sink.replace(objects);
  else await runInSlices(steps);
}
