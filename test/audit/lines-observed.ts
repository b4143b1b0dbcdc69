import { EventEmitter, once } from 'node:events';
import type { LineWriterObserver, LosingPlugin } from '../../src/audit/line-writers.js';

/** Remembers what it is told, and can be waited for. */
export class LinesObserved implements LineWriterObserver {
  readonly outages: string[] = [];
  readonly lost: Record<LosingPlugin, number> = { log: 0, buffered: 0 };
  recoveries = 0;
  readonly #told = new EventEmitter();

  readonly onLost = (count: number, plugin: LosingPlugin): void => {
    this.lost[plugin] += count;
  };

  readonly onOutage = (why: string): void => {
    this.outages.push(why);
    this.#told.emit('outage');
  };

  readonly onRecovery = (): void => {
    this.recoveries += 1;
    this.#told.emit('recovery');
  };

  async next(what: 'outage' | 'recovery'): Promise<void> {
    await once(this.#told, what, { signal: AbortSignal.timeout(10_000) });
  }
}
