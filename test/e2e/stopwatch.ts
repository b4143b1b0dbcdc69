import { readdirSync, readFileSync } from 'node:fs';
import { percentiles, type Percentiles } from './figures.js';
import { runningProcesses } from './orphans.js';

export interface Duration {
  readonly elapsedMs: number;
  /** Without the time that they waited for a processor. */
  readonly ownMs: number;
}

export const elapsed = (durations: readonly Duration[]): Percentiles =>
  percentiles(durations.map(({ elapsedMs }) => elapsedMs));
export const own = (durations: readonly Duration[]): Percentiles =>
  percentiles(durations.map(({ ownMs }) => ownMs));

/**
 * Measures what this process and those it has started take, and not what else the machine does: the time that their threads
 * wait for a processor is left out, so that a bound holds on a busy machine as on a quiet one. Linux alone; elsewhere all counts.
 */
export class Stopwatch {
  readonly #startedAt = performance.now();
  readonly #waitedMs = waitedMs();

  /** Since its start. */
  read(until = performance.now()): Duration {
    const elapsedMs = Math.max(0, until - this.#startedAt);
    return { elapsedMs, ownMs: Math.max(0, elapsedMs - Math.max(0, waitedMs() - this.#waitedMs)) };
  }
}

/**
 * What this process and those it has started have waited for a processor, since each of their threads began: all threads,
 * or the main ones alone, which is a tenth of the work and says enough of programs for Node.js.
 */
export function waitedMs(threads: 'all' | 'main' = 'all'): number {
  return [process.pid, ...runningProcesses()].reduce((sum, pid) => sum + waitedBy(pid, threads), 0);
}

function waitedBy(pid: number, threads: 'all' | 'main'): number {
  try {
    const tasks = `/proc/${pid}/task`;
    const waits = (threads === 'all' ? readdirSync(tasks) : [String(pid)]).map((task) => {
      // Nanoseconds on a processor, nanoseconds of waiting for one, and how often.
      const [, wait = '0'] = readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ');
      return Number(wait) / 1e6;
    });
    return waits.reduce((sum, wait) => sum + wait, 0);
  } catch {
    // It, or a thread of it, has just ended.
    return 0;
  }
}
