import { setTimeout } from 'node:timers/promises';
import type { ApiClient } from '../api-client/api-client.js';
import { Backoff } from '../api-client/backoff.js';
import { Callbacks } from './callbacks.js';
import { Landmark } from './landmark.js';
import type { List } from './list-pages.js';
import { Liveness } from './liveness.js';
import { readOrRefuse, refusal } from './malformed-error.js';
import { Recovery, type Activity } from './recovery.js';
import { failureOf, ReflectorFailure } from './reflector-failure.js';
import type { ReflectorObserver, ReflectorSink } from './reflector-sink.js';
import { Requests } from './requests.js';
import { defaultTiming, type ReflectorTiming } from './reflector-timing.js';
import { isOlder } from './resource-version.js';
import { errorEventFailure } from './status-failure.js';
import type { WatchEvent } from './watch-event.js';
import { isWatchListRefusal, readInitialEvents, watchListQuery } from './watch-list.js';
import type { WatchListeners, WatchStream } from './watch-stream.js';

export interface ReflectorOptions<Item> {
  readonly client: ApiClient;
  /** Of the kind of object: `/apis/rbac.authorization.k8s.io/v1/clusterroles`. */
  readonly path: string;
  /** Trims an object on arrival; throws for what it cannot read. */
  readonly decode: (object: unknown) => Item;
  readonly sink: ReflectorSink<Item>;
  readonly observer?: ReflectorObserver;
  readonly timing?: Partial<ReflectorTiming>;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Keeps a sink in step with all objects of one kind: lists them, follows their changes, and after whatever goes
 * wrong goes on from where nothing can be missed. Only a whole list ever replaces what the sink holds.
 */
export class Reflector<Item extends { readonly name: string }> {
  readonly #options: ReflectorOptions<Item>;
  readonly #callbacks: Callbacks;
  readonly #timing: ReflectorTiming;
  readonly #requests: Requests;
  readonly #recovery: Recovery;
  readonly #liveness: Liveness;
  readonly #landmark = new Landmark();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  #activity: Activity = 'list';
  /** Up to where everything is known; undefined where it has to be listed. */
  #resourceVersion: string | undefined;
  /** Whether the server refuses watch-lists. */
  #isWatchListRefused = false;
  /** Whether the last watch-list began, but did not come to its end. */
  #isWatchListUnfinished = false;

  constructor(options: ReflectorOptions<Item>) {
    const { client, path, sink, random = Math.random } = options;
    const timing = { ...defaultTiming, ...options.timing };
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = timing;
    this.#options = options;
    this.#timing = timing;
    this.#callbacks = new Callbacks(`reflector of ${path}`);
    this.#requests = new Requests({ client, path, timing, random, signal: this.#closing.signal });
    this.#recovery = new Recovery(new Backoff({ baseMs, capMs, random }));
    this.#liveness = new Liveness(sink, this.#callbacks);
  }

  /** Begins, and goes on until `close`. */
  start(): void {
    if (this.#running !== undefined || this.#isClosed) throw new Error('a reflector is started once');
    this.#running = this.#run();
  }

  /** Resolves when nothing runs any more; idempotent. The sink keeps what it holds. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (this.#resourceVersion !== undefined) await this.#watch(this.#resourceVersion);
        else if (this.#isWatchListRefused || this.#isWatchListUnfinished) await this.#list();
        else await this.#watchList();
      } catch (error) {
        await this.#recover(failureOf(error));
      }
    }
  }

  async #list(): Promise<void> {
    this.#activity = 'list';
    this.#landmark.clear();
    await this.#replace('list', await this.#requests.list(this.#decode));
  }

  /** One stream for both: everything there is, then its changes. */
  async #watchList(): Promise<void> {
    this.#activity = 'watch-list';
    this.#landmark.clear();
    await this.#requests.watch(watchListQuery, this.#listeners, async (stream) => {
      this.#isWatchListUnfinished = true;
      const { silenceMs } = stream;
      stream.silenceMs = this.#timing.listSilenceMs;
      await this.#replace('watch-list', await readInitialEvents(stream, this.#decode));
      stream.silenceMs = silenceMs;
      await this.#follow(stream);
    });
  }

  async #watch(resourceVersion: string): Promise<void> {
    this.#activity = 'watch';
    await this.#requests.watch({ resourceVersion }, this.#listeners, async (stream) => {
      await this.#requireSameHistory(resourceVersion);
      await this.#follow(stream);
    });
  }

  /**
   * The server may have come back from a backup, or from nothing. Of that a watch tells nothing: kube-apiserver is
   * silent until its resourceVersion has passed the one that was asked for. To be asked when the watch has begun:
   * whatever happens to the server afterwards ends the watch.
   */
  async #requireSameHistory(resourceVersion: string): Promise<void> {
    const first = await this.#requests.first().catch((error: unknown) => {
      // Who may watch and not list can only have everything told again.
      if (failureOf(error).status === 403) return undefined;
      throw error;
    });
    const isSame =
      first !== undefined &&
      !isOlder(first.resourceVersion, resourceVersion) &&
      this.#landmark.is(first.object);
    if (!isSame) {
      throw new ReflectorFailure('expired', 'the server may have another history than before');
    }
  }

  /** A list is believed, even one of an older resourceVersion: it is what the server has now. */
  async #replace(method: 'list' | 'watch-list', { items, resourceVersion }: List<Item>): Promise<void> {
    try {
      await this.#options.sink.replace(items);
    } catch (error) {
      throw refusal(error);
    }
    this.#closing.signal.throwIfAborted();
    this.#resourceVersion = resourceVersion;
    this.#isWatchListUnfinished = false;
    this.#tell((observer) => observer.listed?.(method, 'success'));
    this.#liveness.live();
  }

  /** Applies changes until the server ends the watch, as it does every minute. */
  async #follow(stream: WatchStream): Promise<void> {
    this.#activity = 'watch';
    const { shortWatchMs, steadyWatchMs } = this.#timing;
    const began = performance.now();
    const beganAt = this.#resourceVersion;
    try {
      await stream.each((event, arrivedAt) => {
        this.#apply(event, arrivedAt);
        return 'go on';
      });
    } finally {
      if (performance.now() - began > steadyWatchMs) this.#recovery.wentWell();
    }
    // Else a server that hangs up on every watch would be asked again without a pause.
    if (this.#resourceVersion === beganAt && performance.now() - began < shortWatchMs) {
      throw new ReflectorFailure('connection', 'ended at once');
    }
    this.#liveness.signOfLife();
    this.#tell((observer) => observer.watched?.('closed'));
  }

  #apply(event: WatchEvent, arrivedAt: number): void {
    if (event.type === 'ERROR') throw errorEventFailure(event.object);
    const { resourceVersion } = event;
    // Restored from a backup, say: what it has said since then is gone.
    if (isOlder(resourceVersion, this.#resourceVersion ?? '')) {
      throw new ReflectorFailure('expired', 'the server went back to an older resourceVersion');
    }
    const { sink } = this.#options;
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        readOrRefuse(() => {
          sink.set(this.#decode(event.object));
        });
        break;
      case 'DELETED':
        this.#landmark.forget(event.name);
        readOrRefuse(() => {
          sink.delete(event.name);
        });
        break;
      case 'BOOKMARK':
    }
    if (resourceVersion !== this.#resourceVersion) this.#recovery.wentWell();
    this.#resourceVersion = resourceVersion;
    if (event.type === 'BOOKMARK') this.#liveness.caughtUp();
    else this.#tell((observer) => observer.applied?.((performance.now() - arrivedAt) / 1000));
  }

  async #recover(failure: ReflectorFailure): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const activity = this.#activity;
    this.#tell((observer) => {
      if (activity === 'watch') observer.watched?.(failure.fault);
      else observer.listed?.(activity, failure.fault);
    });
    if (activity === 'watch-list' && isWatchListRefusal(failure)) {
      this.#isWatchListRefused = true;
      return;
    }
    const { relists, isLost, delayMs } = this.#recovery.after(failure, activity, this.#resourceVersion);
    if (relists) this.#resourceVersion = undefined;
    const reason = `${activity} of ${this.#options.path}: ${failure.message}`;
    if (isLost) this.#liveness.lost(reason);
    this.#tell((observer) => observer.retrying?.(reason, delayMs));
    await setTimeout(delayMs, undefined, { signal }).catch(() => undefined);
  }

  readonly #decode = (object: unknown): Item => {
    this.#landmark.see(object);
    return readOrRefuse(() => this.#options.decode(object));
  };

  /** What comes on a watch says something of now only when everything before is known. */
  readonly #listeners: WatchListeners = {
    onBytes: () => {
      if (this.#activity === 'watch') this.#liveness.signOfLife();
    },
    onQuiet: () => {
      if (this.#activity === 'watch') this.#liveness.caughtUp();
    },
  };

  #tell(tell: (observer: ReflectorObserver) => void): void {
    this.#callbacks.call(() => {
      tell(this.#options.observer ?? {});
    });
  }
}
