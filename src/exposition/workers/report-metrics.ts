import { randomUUID } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { tell } from '../../tell.js';
import { TimeSlice } from '../../time-slice.js';
import { requireOptions, WorkersError } from '../exposition-errors.js';
import { workingMs } from '../exposition.js';
import { Collectors, type CollectorFailure } from '../sources/registries/collectors.js';
import { areRegistries, type AnyRegistry } from '../sources/registries/prom-client-metrics.js';
import { collectParts } from './collect-parts.js';
import { demandIn, isGroup, sealed, windowParts, type Answer } from './messages.js';
import type { ReportedFamily } from './report.js';
import { openLine, type WorkerChannel } from './worker-channel.js';
import { aList, checkOptions } from '../../option-checks.js';

export interface ReportMetricsOptions {
  readonly registries: readonly AnyRegistry[];
  /** Where to report. Default: to the process or thread that started this one. */
  readonly channel?: WorkerChannel;
  /** Which `workersExposition` is meant, where there are several. Default `metrics`. */
  readonly group?: string;
  /** How long a metric's `collect` may take (ms), if the scrape waits that long. Default 5,000. */
  readonly collectorTimeoutMs?: number;
  /** Called for each metric that was left out. */
  readonly onFailure?: (failure: CollectorFailure) => void;
}

/**
 * Answers the `workersExposition` of the process or thread that started this one, in time slices and small messages,
 * until `close`. Listening to the parent keeps a thread or a forked process alive, as any listener does.
 *
 * @throws WorkersError where no process has started this one, or an option is wrong.
 */
export function reportMetrics(options: ReportMetricsOptions): { close(): void } {
  checkOptions(options, { registries: aList('registries of prom-client') });
  const { registries, group = 'metrics', collectorTimeoutMs = 5000 } = options;
  const channel = options.channel ?? parentChannel();
  requireOptions(WorkersError, {
    'registries: pass registries of prom-client 15': registries.length > 0 && areRegistries(registries),
    'group: pass a name of at most 64 characters': isGroup(group),
    'collectorTimeoutMs: pass a positive number of milliseconds': collectorTimeoutMs > 0,
  });
  const collectors = new Collectors();
  const reporter = randomUUID();
  let running: Run | undefined;
  const send = (answer: Answer): void => {
    line.send(sealed(group, answer));
  };
  const answer = async (run: Run, timeoutMs: number): Promise<void> => {
    const parts = collectParts(registries, collectors, {
      slice: new TimeSlice().begin(),
      timeoutMs: Math.min(collectorTimeoutMs, workingMs({ timeoutSeconds: timeoutMs / 1000 })),
      onFailure: (failure) => {
        tell('reportMetrics', options.onFailure, failure);
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
      if (demand?.kind === 'discover') send({ kind: 'here', reporter });
      else if (demand?.kind === 'ask') {
        running?.end();
        const run = new Run(demand.request);
        running = run;
        answer(run, demand.timeoutMs).catch(() => {
          send({ kind: 'failed', request: run.request });
        });
      } else if (demand?.kind === 'taken' && running?.request === demand.request) running.taken();
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

/** An answer in progress: how many parts are unacknowledged, and whether it is still wanted. */
class Run {
  isOver = false;
  #free = windowParts;
  #wake: (() => void) | undefined;

  constructor(readonly request: number) {}

  /** Resolves when another part may be sent, or none is asked for any more. */
  async turn(): Promise<void> {
    while (this.#free === 0 && !this.isOver) {
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
    this.isOver = true;
    this.#wake?.();
  }
}

function parentChannel(): WorkerChannel {
  if (parentPort !== null) return parentPort;
  if (typeof process.send === 'function') return process;
  throw new WorkersError('channel: no process has started this one; pass a channel to report to');
}
