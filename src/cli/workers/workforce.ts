import type { ChildProcess } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as pause } from 'node:timers/promises';
import { CodedError } from '../../coded-error.js';
import type { Logger } from '../../server/server-options.js';
import type { WorkerMetrics } from '../../telemetry/server-metrics.js';
import type { RenderingLimit } from '../../exposition/delivery/rendering-limit.js';
import type { WorkersExposition } from '../../exposition/workers/workers-exposition.js';
import type { OpenPolicy } from '../../policy/open-policy.js';
import type { GivenOptions } from '../../options/option.js';
import {
  sealed,
  unsealed,
  type PrimaryMessage,
  type WorkerMessage,
  workerVariable,
} from './link-messages.js';
import { type PolicyBroadcast, PolicyOutbox } from './policy-broadcast.js';
import { GrantedPlaces } from './rendering-places.js';
import { ServedScrapes } from './scrapes.js';

/** The pause before a worker is started again (ms); doubled for each that ends soon after its start. */
const firstPauseMs = 200;
const maxPauseMs = 10_000;
/** How long a worker has to live for the next pause to be short again (ms). */
const settledMs = 60_000;
/** How often the primary sends workers a heartbeat (ms). */
const pulseMs = 1000;
/** How long workers may take to end (ms), in addition to their servers' shutdown. */
const graceMs = 10_000;

/** A worker that could not be started. */
export class WorkerStartError extends CodedError {
  override readonly name = 'WorkerStartError';
  readonly code = 'ERR_WORKER_START';

  constructor(readonly ended: Ended) {
    super(`a worker ended before it listened, ${describe(ended)}`);
  }
}

/** Keeps the configured number of workers running. */
export class Workforce {
  readonly #workers = new Set<PrimaryWorker>();
  readonly #stop = new AbortController();
  readonly #places: Promise<void>[] = [];
  readonly #pulse: NodeJS.Timeout;
  #first: Listening | undefined;
  /** Replaces port 0 when all workers that shared it are gone. */
  #port: number | undefined;

  constructor(
    private readonly state: PrimaryState,
    private readonly logger: Logger,
    private readonly metrics: WorkerMetrics,
  ) {
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
    // Stopped meanwhile: later workers would never be asked to end.
    if (this.#stop.signal.aborted) return first;
    this.#places.push(this.#keep(worker));
    const others = Array.from({ length: count - 1 }, () => this.#fork());
    this.#places.push(...others.map((other) => this.#keep(other)));
    await Promise.all(others.map((other) => Promise.race([other.listening, other.ended])));
    return first;
  }

  /** Lets all workers finish running requests, at most for `shutdownMs`; resolves when the last one is gone. */
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
    const beginWith = { selfSigned: this.#first?.selfSigned, port: this.#port };
    const worker = new PrimaryWorker(this.state, beginWith, () => {
      for (const each of this.#workers) each.recallPlaces();
    });
    this.#workers.add(worker);
    this.metrics.running(this.#workers.size);
    void worker.ended.then(() => {
      this.#workers.delete(worker);
      this.metrics.running(this.#workers.size);
    });
    return worker;
  }

  /** Replaces each worker that ends. */
  async #keep(first: PrimaryWorker): Promise<void> {
    const { signal } = this.#stop;
    let worker: PrimaryWorker | undefined = first;
    let pauseMs = firstPauseMs;
    for (;;) {
      const startedAt = performance.now();
      const ended = (await worker?.ended) ?? { code: null, signal: null };
      if (signal.aborted) return;
      if (performance.now() - startedAt > settledMs) pauseMs = firstPauseMs;
      const message = `a worker ended, ${describe(ended)}; it is replaced`;
      this.logger.error({ worker: worker?.pid, pauseMs }, message);
      await pause(pauseMs, undefined, { signal }).catch(() => undefined);
      // Stopped meanwhile, which the compiler believes impossible.
      if (this.#stop.signal.aborted) return;
      pauseMs = Math.min(maxPauseMs, 2 * pauseMs);
      try {
        worker = this.#fork();
        this.metrics.restarted();
      } catch {
        // The system cannot start a process now.
        worker = undefined;
      }
    }
  }
}

function describe({ code, signal }: Ended): string {
  if (code === null && signal === null) return 'since its process could not be started';
  return signal === null ? `with exit code ${code ?? 'unknown'}` : `by ${signal}`;
}

interface PrimaryState {
  readonly values: GivenOptions;
  readonly policy: OpenPolicy | undefined;
  readonly broadcast: PolicyBroadcast;
  readonly limit: RenderingLimit;
  readonly expositions: ReadonlyMap<string, WorkersExposition>;
}

type Listening = WorkerMessage & { readonly kind: 'listening' };
type BeginWith = Pick<PrimaryMessage & { readonly kind: 'begin' }, 'selfSigned' | 'port'>;

/** Without code and signal, the process never started. */
interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * Closes the connection that a worker was being handed when it ended: Node waits for the worker's answer forever, so that
 * its client would, too, and the primary would keep the descriptor.
 */
function closeLostConnections(worker: ChildProcess): void {
  /** By the number of the message that is to be acknowledged. */
  const handed = new Map<unknown, { close(): void }>();
  const send = worker.send.bind(worker) as (...given: readonly unknown[]) => boolean;
  worker.send = (...given: readonly unknown[]): boolean => {
    const [message, handle] = given as [
      { readonly act?: unknown; readonly seq?: unknown },
      { close(): void }?,
    ];
    if (message.act === 'newconn' && handle !== undefined) handed.set(message.seq, handle);
    return send(...given);
  };
  worker.on('internalMessage', ({ ack }: { readonly ack?: unknown }) => handed.delete(ack));
  worker.once('exit', () => {
    for (const handle of handed.values()) handle.close();
    handed.clear();
  });
}

class PrimaryWorker {
  readonly #worker: Worker;
  readonly #scrapes: ServedScrapes;
  readonly #outbox: PolicyOutbox;
  readonly #places: GrantedPlaces;
  #isDraining = false;
  readonly listening: Promise<Listening>;
  readonly ended: Promise<Ended>;

  constructor(
    private readonly state: PrimaryState,
    private readonly beginWith: BeginWith,
    onWaiting: () => void,
  ) {
    this.#worker = cluster.fork({ [workerVariable]: 'true' });
    closeLostConnections(this.#worker.process);
    this.#scrapes = new ServedScrapes(state.expositions, this.send.bind(this));
    this.#places = new GrantedPlaces(state.limit, this.send.bind(this), onWaiting);
    this.#outbox = new PolicyOutbox({
      send: (operations) => {
        this.send({ kind: 'policy', operations });
      },
      // It may have missed a revocation by now.
      onOverflow: this.kill.bind(this),
    });
    for (const exposition of state.expositions.values()) exposition.follow(this.#worker);
    this.listening = new Promise((resolve) => {
      this.#worker.on('message', (received: unknown) => {
        const message = unsealed(received) as WorkerMessage | undefined;
        if (message?.kind === 'listening') resolve(message);
        else if (message !== undefined) this.#receive(message);
      });
    });
    this.ended = new Promise((resolve) => {
      const end = (ended: Ended): void => {
        this.#close();
        resolve(ended);
      };
      this.#worker.once('exit', (code: number | null, signal: string | null) => {
        end({ code, signal });
      });
      // A running worker also emits exit, such as when it ends while a connection is handed to it.
      this.#worker.on('error', () => {
        if (this.pid === undefined) end({ code: null, signal: null });
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  send(message: PrimaryMessage): void {
    try {
      this.#worker.send(sealed(message), undefined, () => undefined);
    } catch {
      // It is gone, and its exit is on the way.
    }
  }

  /** Asks for the rendering places that it does not use. */
  recallPlaces(): void {
    this.#places.recall();
  }

  /** Lets it finish running requests and end. */
  drain(): void {
    this.#isDraining = true;
    this.send({ kind: 'drain' });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #receive(message: WorkerMessage): void {
    // It has ended or is about to, so it would never release the slot.
    if (this.#outbox.isClosed) return;
    const { values, policy, broadcast } = this.state;
    switch (message.kind) {
      case 'started': {
        const layers = policy?.policy.status().map(({ layer }) => layer);
        this.send({ kind: 'begin', values, layers, ...this.beginWith });
        // Messages sent before it listened are lost.
        if (this.#isDraining) this.drain();
        if (policy !== undefined) void broadcast.attach(policy.policy, this.#outbox);
        break;
      }
      case 'applied':
        this.#outbox.applied();
        break;
      case 'scrape':
        this.#scrapes.begin(message);
        break;
      case 'scrape-taken':
        this.#scrapes.taken(message.scrape);
        break;
      case 'scrape-abandoned':
        this.#scrapes.abandon(message.scrape);
        break;
      case 'enter':
        this.#places.enter(message);
        break;
      case 'leave':
        this.#places.leave(message.place);
        break;
      case 'listening':
        break;
    }
  }

  #close(): void {
    this.state.broadcast.detach(this.#outbox);
    this.#outbox.close();
    this.#scrapes.close();
    this.#places.close();
  }
}
