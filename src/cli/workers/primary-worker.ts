import cluster, { type Worker } from 'node:cluster';
import type { Exposition } from '../../exposition/exposition.js';
import type { LeavePlace, RenderingLimit } from '../../exposition/delivery/rendering-limit.js';
import type { WorkersExposition } from '../../exposition/workers/workers-exposition.js';
import type { OpenPolicy } from '../../policy/open-policy.js';
import type { FlagValues } from '../../options/flags.js';
import { fromWorker, sealed, type PrimaryMessage, type WorkerMessage } from './link-messages.js';
import type { PolicyBroadcast } from './policy-broadcast.js';
import { PolicyOutbox } from './policy-outbox.js';
import { ServedScrapes } from './served-scrapes.js';
import { workerVariable } from './is-worker-process.js';

/** What the primary holds for all workers. */
export interface PrimaryState {
  /** Those of the configuration file among them. */
  readonly values: FlagValues;
  readonly policy: OpenPolicy | undefined;
  readonly broadcast: PolicyBroadcast;
  readonly limit: RenderingLimit;
  readonly expositions: ReadonlyMap<string, WorkersExposition>;
}

export type Listening = WorkerMessage & { readonly kind: 'listening' };
export type BeginWith = Pick<PrimaryMessage & { readonly kind: 'begin' }, 'selfSigned' | 'port'>;

/** Neither code nor signal: there was no process. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A renderings' place is a worker's own number for it. */
const maxPlaces = 10_000;

/** One worker, as the primary sees it. */
export class PrimaryWorker {
  readonly #worker: Worker;
  readonly #state: PrimaryState;
  readonly #scrapes: ServedScrapes;
  readonly #outbox: PolicyOutbox;
  readonly #places = new Map<number, LeavePlace>();
  #isDraining = false;
  readonly listening: Promise<Listening>;
  readonly ended: Promise<Ended>;

  constructor(state: PrimaryState, beginWith: BeginWith) {
    this.#state = state;
    this.#worker = cluster.fork({ [workerVariable]: 'true' });
    const expositions: ReadonlyMap<string, Exposition> = state.expositions;
    this.#scrapes = new ServedScrapes(expositions, (message) => {
      this.send(message);
    });
    this.#outbox = new PolicyOutbox({
      send: (operations) => {
        this.send({ kind: 'policy', operations });
      },
      // It may have missed a revocation by now.
      onOverflow: () => {
        this.kill();
      },
    });
    for (const exposition of state.expositions.values()) exposition.follow(this.#worker);
    this.listening = new Promise((resolve) => {
      this.#worker.on('message', (received: unknown) => {
        const message = fromWorker(received);
        if (message?.kind === 'listening') resolve(message);
        else if (message !== undefined) this.#receive(message, beginWith);
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
      // One that is there has an exit, too, such as when it ends while a connection is handed to it.
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

  /** Lets it finish what is under way, and end. */
  drain(): void {
    this.#isDraining = true;
    this.send({ kind: 'drain' });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #receive(message: WorkerMessage, beginWith: BeginWith): void {
    // It has ended, or is about to: what it takes now nobody would give back.
    if (this.#outbox.isClosed) return;
    const { values, policy, broadcast } = this.#state;
    switch (message.kind) {
      case 'started':
        this.send({
          kind: 'begin',
          values,
          layers: policy?.policy.status().map(({ layer }) => layer),
          ...beginWith,
        });
        // What it was told before it listened is lost.
        if (this.#isDraining) this.drain();
        if (policy !== undefined) void broadcast.attach(policy.policy, this.#outbox);
        break;
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
        void this.#enter(message.place, message.scraper);
        break;
      case 'leave':
        this.#places.get(message.place)?.();
        this.#places.delete(message.place);
        break;
      case 'listening':
        break;
    }
  }

  async #enter(place: number, scraper: string | undefined): Promise<void> {
    const leave = this.#places.size < maxPlaces ? await this.#state.limit.enter(scraper) : undefined;
    if (this.#outbox.isClosed) {
      leave?.();
      return;
    }
    if (leave !== undefined) this.#places.set(place, leave);
    this.send({ kind: 'place', place, isGranted: leave !== undefined });
  }

  #close(): void {
    this.#state.broadcast.detach(this.#outbox);
    this.#outbox.close();
    this.#scrapes.close();
    for (const leave of this.#places.values()) leave();
    this.#places.clear();
  }
}
