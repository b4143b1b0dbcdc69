import { setImmediate as nextTurn } from 'node:timers/promises';
import { vi } from 'vitest';

/** What one reading of the clock adds to it (ms): a slice of 4 ms is over after some eighty steps. */
export const stepMs = 0.05;

/**
 * How long `work` holds the event loop at most between two turns (ms) and how long it takes in all, by a clock that goes
 * on with each reading: however busy the machine, a step that is followed by a look at the clock counts the same.
 */
export async function turnsOf(work: () => Promise<unknown>): Promise<{ longest: number; total: number }> {
  let now = performance.now();
  const begun = now;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += stepMs));
  try {
    let [last, longest, isWorking] = [now, 0, true];
    const turn = (): void => {
      longest = Math.max(longest, now - last);
      last = now;
      if (isWorking) setImmediate(turn);
    };
    setImmediate(turn);
    await work();
    isWorking = false;
    turn();
    return { longest, total: now - begun };
  } finally {
    clock.mockRestore();
    // A slice that began by that clock ends with its turn.
    await nextTurn();
  }
}
