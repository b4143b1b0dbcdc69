import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../../server/logger.js';
import type { WorkerMetrics } from '../../telemetry/worker-metrics.js';
import { PrimaryWorker, type Ended, type Listening, type PrimaryState } from './primary-worker.js';

/** The pause before a worker is started again (ms); doubled for each that ends soon after its start. */
const firstPauseMs = 200;
const maxPauseMs = 10_000;
/** How long a worker has to live for the next pause to be short again (ms). */
const settledMs = 60_000;
/** How often workers are told that the primary is there (ms). */
const pulseMs = 1000;
/** How long workers may take to end (ms), above what their servers allow themselves. */
const graceMs = 10_000;

/** A worker that could not be started. */
export class WorkerStartError extends Error {
  override readonly name = 'WorkerStartError';
  readonly code = 'ERR_WORKER_START';

  constructor(readonly ended: Ended) {
    super(`a worker ended before it listened, ${describe(ended)}`);
  }
}

/** As many workers as there should be, however they end. */
export class Workforce {
  readonly #state: PrimaryState;
  readonly #logger: Logger;
  readonly #metrics: WorkerMetrics;
  readonly #workers = new Set<PrimaryWorker>();
  readonly #stop = new AbortController();
  readonly #places: Promise<void>[] = [];
  readonly #pulse: NodeJS.Timeout;
  #first: Listening | undefined;
  /** In the place of port 0, since all that shared it are gone. */
  #port: number | undefined;

  constructor(state: PrimaryState, logger: Logger, metrics: WorkerMetrics) {
    this.#state = state;
    this.#logger = logger;
    this.#metrics = metrics;
    this.#pulse = setInterval(() => {
      for (const worker of this.#workers) worker.send({ kind: 'pulse' });
    }, pulseMs);
  }

  /** Starts one alone, then the others; resolves to where all listen. @throws WorkerStartError */
  async start(count: number): Promise<Listening> {
    const worker = this.#fork();
    const first = await Promise.race([worker.listening, worker.ended]);
    if (!('url' in first)) throw new WorkerStartError(first);
    this.#first = first;
    // Stopped meanwhile: nobody would ask others to end.
    if (this.#stop.signal.aborted) return first;
    this.#places.push(this.#keep(worker));
    const others = Array.from({ length: count - 1 }, () => this.#fork());
    this.#places.push(...others.map((other) => this.#keep(other)));
    await Promise.all(others.map((other) => Promise.race([other.listening, other.ended])));
    return first;
  }

  /** Lets all finish what is under way, for as long as their servers may take (ms); resolves when the last is gone. */
  async drain(shutdownMs: number): Promise<void> {
    this.#stop.abort();
    for (const worker of this.#workers) worker.drain();
    const deadline = setTimeout(() => {
      for (const worker of this.#workers) worker.kill();
    }, shutdownMs + graceMs);
    await Promise.all([...this.#workers].map(({ ended }) => ended));
    await Promise.all(this.#places);
    clearTimeout(deadline);
    clearInterval(this.#pulse);
  }

  #fork(): PrimaryWorker {
    if (this.#workers.size === 0) this.#port = this.#first?.port;
    const worker = new PrimaryWorker(this.#state, { selfSigned: this.#first?.selfSigned, port: this.#port });
    this.#workers.add(worker);
    this.#metrics.running(this.#workers.size);
    void worker.ended.then(() => {
      this.#workers.delete(worker);
      this.#metrics.running(this.#workers.size);
    });
    return worker;
  }

  /** Starts another in the place of each that ends. */
  async #keep(first: PrimaryWorker): Promise<void> {
    const { signal } = this.#stop;
    let worker: PrimaryWorker | undefined = first;
    let pauseMs = firstPauseMs;
    for (;;) {
      const startedAt = performance.now();
      const ended = (await worker?.ended) ?? { code: null, signal: null };
      if (signal.aborted) return;
      if (performance.now() - startedAt > settledMs) pauseMs = firstPauseMs;
      this.#logger.error(
        { worker: worker?.pid, pauseMs },
        `a worker ended, ${describe(ended)}; it is replaced`,
      );
      await pause(pauseMs, undefined, { signal }).catch(() => undefined);
      // Stopped meanwhile, which the compiler takes for impossible.
      if (this.#stop.signal.aborted) return;
      pauseMs = Math.min(maxPauseMs, 2 * pauseMs);
      worker = this.#forkAgain();
    }
  }

  /** Undefined where the system has no process to give now. */
  #forkAgain(): PrimaryWorker | undefined {
    try {
      const worker = this.#fork();
      this.#metrics.restarted();
      return worker;
    } catch {
      return undefined;
    }
  }
}

function describe({ code, signal }: Ended): string {
  if (code === null && signal === null) return 'since its process could not be started';
  return signal === null ? `with exit code ${code ?? 'unknown'}` : `by ${signal}`;
}
