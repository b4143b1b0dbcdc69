import { randomUUID } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { TimeSlice } from '../../time-slice.js';
import type { CollectorFailure } from '../sources/registries.js';
import { Collectors } from '../sources/registries/collectors.js';
import { defaultLabelsOf, type AnyRegistry } from '../sources/registries/registry-metrics.js';
import { collectParts } from './collect-parts.js';
import { demandIn, isGroup, sealed, windowParts, type Answer } from './messages.js';
import type { ReportedFamily } from './report.js';
import { tell } from '../../tell.js';
import { openLine, type WorkerChannel } from './worker-channel.js';
import { WorkersError } from '../exposition-errors.js';

export interface ReportMetricsOptions {
  readonly registries: readonly AnyRegistry[];
  /** To whom. Default: to the process or thread that started this one. */
  readonly channel?: WorkerChannel;
  /** Which `workersExposition` is meant, where there are several. Default `metrics`. */
  readonly group?: string;
  /** How long a metric's `collect` may take (ms), where the scrape waits that long. Default 5,000. */
  readonly collectorTimeoutMs?: number;
  /** Called for each metric that had to be left out. */
  readonly onFailure?: (failure: CollectorFailure) => void;
}

/** Of work in one go (ms). */
const sliceMs = 4;
/** What is left of the time that the scrape waits for this worker, for its answer (ms). */
const answeringMs = 500;

/**
 * Answers the `workersExposition` of the process or thread that started this one, in time slices and small messages,
 * until `close`. Listening to the parent keeps a thread or a forked process alive, as any listener does.
 *
 * @throws WorkersError where nobody has started this process, or an option is wrong.
 */
export function reportMetrics(options: ReportMetricsOptions): { close(): void } {
  const { registries, group = 'metrics', collectorTimeoutMs = 5000, onFailure } = options;
  const channel = options.channel ?? parentChannel();
  if (registries.length === 0 || !registries.every((registry) => defaultLabelsOf(registry) !== undefined)) {
    throw new WorkersError('registries: pass registries of prom-client 15');
  }
  if (!isGroup(group)) throw new WorkersError('group: pass a name of at most 64 characters');
  if (!(collectorTimeoutMs > 0)) {
    throw new WorkersError('collectorTimeoutMs: pass a positive number of milliseconds');
  }
  const collectors = new Collectors();
  const reporter = randomUUID();
  let running: Run | undefined;
  const send = (answer: Answer): void => {
    line.send(sealed(group, answer));
  };
  const answer = async (run: Run, timeoutMs: number): Promise<void> => {
    const slice = new TimeSlice(sliceMs);
    slice.begin();
    const parts = collectParts(registries, {
      collectors,
      slice,
      timeoutMs: Math.min(collectorTimeoutMs, Math.max(timeoutMs - answeringMs, timeoutMs / 2)),
      onFailure: (failure) => {
        tell('reportMetrics', onFailure, failure);
      },
    });
    const { request } = run;
    let before: readonly ReportedFamily[] | undefined;
    for await (const families of parts) {
      if (before !== undefined) {
        await run.turn();
        if (run.isOver) return;
        send({ kind: 'part', request, isLast: false, families: before });
      }
      before = families;
    }
    await run.turn();
    if (!run.isOver) send({ kind: 'part', request, isLast: true, families: before ?? [] });
  };
  const line = openLine(channel, {
    onMessage: (message) => {
      const demand = demandIn(message, group);
      switch (demand?.kind) {
        case 'discover':
          send({ kind: 'here', reporter });
          break;
        case 'ask': {
          running?.end();
          const run = new Run(demand.request);
          running = run;
          answer(run, demand.timeoutMs).catch(() => {
            send({ kind: 'failed', request: run.request });
          });
          break;
        }
        case 'taken':
          if (running?.request === demand.request) running.taken();
          break;
        case undefined:
          break;
      }
    },
    onGone: () => running?.end(),
  });
  send({ kind: 'here', reporter });
  return {
    close() {
      running?.end();
      line.close();
    },
  };
}

/** One answer under way: how many parts are on their way, and whether anybody still wants them. */
class Run {
  #free = windowParts;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(readonly request: number) {}

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when another part may be sent, or none is wanted any more. */
  async turn(): Promise<void> {
    while (this.#free === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#free -= 1;
  }

  taken(): void {
    this.#free = Math.min(windowParts, this.#free + 1);
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}

function parentChannel(): WorkerChannel {
  if (parentPort !== null) return parentPort;
  if (typeof process.send === 'function') return process;
  throw new WorkersError('channel: nobody has started this process; pass a channel to report to');
}
