import type { Clock } from '../../../src/kubernetes/reflector/reflector-options.js';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/** A clock that goes on to the end of the next pause as soon as nothing else is left to do. */
export class VirtualClock implements Clock {
  readonly #sleepers = new Set<Sleeper>();
  #now = 1_000_000;

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(new Error('aborted'));
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const sleeper = { until: this.#now + ms, wake };
      if (signal.aborted) onAbort();
      else {
        this.#sleepers.add(sleeper);
        signal.addEventListener('abort', onAbort);
      }
    });
  }

  /** How many wait for it. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Lets so much time pass (ms), or less where `isEnough` says so. */
  async pass(ms: number, isEnough: () => boolean = () => false): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      if (isEnough()) return;
      const next = [...this.#sleepers].reduce<Sleeper | undefined>(
        (first, sleeper) => (first === undefined || sleeper.until < first.until ? sleeper : first),
        undefined,
      );
      if (next === undefined || next.until > end) break;
      this.#now = next.until;
      next.wake();
    }
    this.#now = end;
    await settle();
  }
}

/** Until everything that was begun waits for a pause: a list is read within some turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise(setImmediate);
}
