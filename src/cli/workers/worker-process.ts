import cluster from 'node:cluster';
import { EventEmitter, once } from 'node:events';
import type { Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import type { RenderingPlaces } from '../../exposition/delivery/rendering-limit.js';
import { reportMetrics } from '../../exposition/workers/report-metrics.js';
import { openPolicy, type OpenPolicy } from '../../policy/open-policy.js';
import type { RunningServer } from '../../server/start-server.js';
import type { KeyPair } from '../../server/serving-certificates.js';
import type { GivenOptions } from '../../options/option.js';
import { FollowedPrimary } from './followed-primary.js';
import { sealed, unsealed, type PrimaryMessage, type WorkerMessage } from './link-messages.js';
import { LeasedPlaces } from './rendering-places.js';
import { ScrapesOfPrimary } from './scrapes.js';
import type { Terminal } from '../command.js';
import { start } from '../start.js';
import type { SharedByWorkers } from '../../options/starting.js';
import { policySourcesOf } from '../../options/policy-options.js';

/**
 * Serves as one of several workers until stopped; resolves to the exit code. The flags come from the primary, so that all
 * workers serve the same however late they start. If the primary is gone, Node ends the process.
 */
export async function serveAsWorker({ stopRequested }: Pick<Terminal, 'stopRequested'>): Promise<number> {
  const link = new WorkerLink();
  try {
    const { values } = await link.begun;
    const stop = stopRequested();
    const server = await start(values, { shared: link });
    link.listening(server);
    await Promise.race([stop, link.drainRequested]);
    await server.close();
    return 0;
  } finally {
    link.close();
  }
}

/** How often a worker checks that the primary is alive (ms). */
const lookMs = 1000;

type Begin = PrimaryMessage & { readonly kind: 'begin' };

/** A worker's end of the channel to the primary. */
class WorkerLink implements SharedByWorkers {
  readonly #policy = new FollowedPrimary();
  readonly #scrapes = new ScrapesOfPrimary(sendToPrimary);
  readonly #looking: NodeJS.Timeout;
  readonly #reporting: { close(): void }[] = [];
  readonly #received = new EventEmitter<{ begin: [Begin]; drain: [] }>();
  /** Resolves when the primary has sent its setup. */
  readonly begun = once(this.#received, 'begin').then(([begin]) => begin as Begin);
  /** Resolves when the primary asks this worker to end. */
  readonly drainRequested = once(this.#received, 'drain');
  #begin: Begin | undefined;
  #selfSigned: KeyPair | undefined;
  #places: LeasedPlaces | undefined;

  constructor() {
    process.on('message', this.#onMessage);
    this.#looking = setInterval(this.#policy.look.bind(this.#policy), lookMs).unref();
    sendToPrimary({ kind: 'started' });
  }

  async openPolicy(values: GivenOptions): Promise<OpenPolicy | undefined> {
    const layers = this.#begin?.layers;
    if (layers === undefined) return undefined;
    // The primary opens the sources; here they only define the fallbacks and the allowed staleness.
    const described = policySourcesOf(values);
    const { workspaces } = described;
    const ofRoot = layers.filter((layer) => layer !== workspaces?.source.name);
    const open = await openPolicy({
      ...described,
      sources: ofRoot.map((layer) => this.#policy.source(layer)),
      workspaces: workspaces && { ...workspaces, source: this.#policy.source(workspaces.source.name) },
      bootstrap: false,
    });
    this.#policy.begin();
    await this.#policy.whole;
    return open;
  }

  expositionOf(path: string, registry: Registry, own: Exposition): Exposition {
    this.#reporting.push(reportMetrics({ registries: [registry], group: path }));
    return this.#scrapes.exposition(path, (request) => own.contentType(request));
  }

  places(max: number, onChange: (underWay: number) => void): RenderingPlaces {
    return (this.#places = new LeasedPlaces(max, sendToPrimary, onChange));
  }

  port(asked: number): number {
    return this.#begin?.port ?? asked;
  }

  selfSigned(pair: KeyPair): KeyPair {
    const { certificate, privateKey } = pair;
    return (this.#selfSigned = this.#begin?.selfSigned ?? { certificate, privateKey });
  }

  listening({ url, port }: RunningServer): void {
    sendToPrimary({ kind: 'listening', url, port, selfSigned: this.#selfSigned });
  }

  /** Closes the channel, which would keep this process alive. */
  close(): void {
    clearInterval(this.#looking);
    process.off('message', this.#onMessage);
    this.#places?.close();
    for (const reporting of this.#reporting) reporting.close();
    cluster.worker?.disconnect();
  }

  readonly #onMessage = (received: unknown): void => {
    const message = unsealed(received) as PrimaryMessage | undefined;
    if (message === undefined) return;
    this.#policy.heard();
    switch (message.kind) {
      case 'begin':
        this.#begin = message;
        this.#received.emit('begin', message);
        break;
      case 'policy':
        void this.#policy.take(message.operations).then(() => {
          sendToPrimary({ kind: 'applied' });
        });
        break;
      case 'drain':
        this.#received.emit('drain');
        break;
      case 'place':
        this.#places?.granted(message);
        break;
      case 'recall-places':
        this.#places?.recalled();
        break;
      case 'scrape-head':
      case 'scrape-chunk':
      case 'scrape-end':
      case 'scrape-failed':
        this.#scrapes.receive(message);
        break;
      case 'pulse':
        break;
    }
  };
}

function sendToPrimary(message: WorkerMessage): void {
  // This process ends if the primary is gone.
  if (process.connected) process.send?.(sealed(message), undefined, {}, () => undefined);
}
