import { setTimeout } from 'node:timers/promises';

/** What pauses are measured with. */
export interface Clock {
  /** In ms, and never set back. */
  now(): number;
  /** Rejects when `signal` ends it. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
};
