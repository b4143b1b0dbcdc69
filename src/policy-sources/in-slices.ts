import { setImmediate } from 'node:timers/promises';

/** Runs steps to their end, and lets others have the event loop every few milliseconds. */
export async function runInSlices<Result>(
  steps: Generator<undefined, Result, undefined>,
  sliceMs = 4,
): Promise<Result> {
  let sliceEnd = performance.now() + sliceMs;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < sliceEnd) continue;
    await setImmediate();
    sliceEnd = performance.now() + sliceMs;
  }
}
