/** @param {readonly number[]} values */
export function median(values) {
  return percentile(values, 0.5);
}

/** @param {readonly number[]} values @param {number} rank between 0 and 1 */
export function percentile(values, rank) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(rank * sorted.length))] ?? NaN;
}

/** What a measured call returned goes here, so that no compiler finds the call useless. */
let sink;

/** A call that is slower than hoped for must not take the whole run's time. */
const maxMs = 1500;

/**
 * Nanoseconds a call, one figure a batch: the clock is too coarse for one call, and calls of a batch share
 * no input. `inputs(batch)` is made outside the measured time.
 *
 * @template Input
 * @param {{ batches: number, warmups?: number, inputs: (batch: number) => readonly Input[],
 *   call: (input: Input) => unknown }} options
 * @returns {{ p50: number, p99: number }}
 */
export function nanosecondsPerCall({ batches, warmups = Math.ceil(batches / 4), inputs, call }) {
  const figures = [];
  const deadline = performance.now() + maxMs;
  for (let batch = 0; batch < warmups + batches; batch += 1) {
    if (performance.now() > deadline && figures.length > 0) break;
    const given = inputs(batch);
    const started = process.hrtime.bigint();
    for (const input of given) sink = call(input);
    const elapsed = Number(process.hrtime.bigint() - started);
    if (batch >= warmups || performance.now() > deadline) figures.push(elapsed / given.length);
  }
  return { p50: percentile(figures, 0.5), p99: percentile(figures, 0.99) };
}

/**
 * Nanoseconds of each call, one after the other, each waited for.
 *
 * @template Input
 * @param {{ inputs: readonly Input[], warmups: number, call: (input: Input) => Promise<unknown> }} options
 * @returns {Promise<{ p50: number, p99: number }>}
 */
export async function nanosecondsEach({ inputs, warmups, call }) {
  const figures = [];
  for (const [at, input] of inputs.entries()) {
    const started = process.hrtime.bigint();
    await call(input);
    if (at >= warmups) figures.push(Number(process.hrtime.bigint() - started));
  }
  return { p50: percentile(figures, 0.5), p99: percentile(figures, 0.99) };
}

/** Bytes of the heap that are still needed. */
export function heapUsed() {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** The last result of a measured call. */
export function lastResult() {
  return sink;
}

/** Strings as a server gets them, parsed from bytes, not glued together by this program. @template Value @param {Value} value @returns {Value} */
export function parsed(value) {
  return JSON.parse(JSON.stringify(value));
}
