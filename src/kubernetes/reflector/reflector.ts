import { setTimeout } from 'node:timers/promises';
import { oneLine } from '../../documents/one-line.js';
import { presentOnly } from '../../present-only.js';
import { tell } from '../../tell.js';
import { TimeSlice } from '../../time-slice.js';
import { steadyNow } from '../../timer.js';
import type { ApiClient } from '../api-client.js';
import { messageOf } from '../../error-class.js';
import { failureOf, MalformedError, ReflectorFailure } from '../kubernetes-errors.js';
import { isOlder, KnownObjects, requireSameHistory } from './history.js';
import { byName, clusterOf, namespaceOf, type ObjectKey } from '../json.js';
import { listPages, pageSize, readInitialEvents, watchListQuery, type List } from './lists.js';
import { Recovery, type Activity } from './recovery.js';
import {
  defaultTiming,
  realClock,
  type Clock,
  type ReflectorObserver,
  type ReflectorSink,
  type ReflectorTiming,
} from './reflector-options.js';
import { ServerProbe } from './server-probe.js';
import { errorEventFailure, type Requests } from './streamed-answer.js';
import { WatchStream, type WatchEvent } from './watch-stream.js';

export interface ReflectorOptions<Item> {
  readonly client: ApiClient;
  /** Of the kind of object: `/apis/rbac.authorization.k8s.io/v1/clusterroles`. */
  readonly path: string;
  /** Trims an object on arrival; throws for what it cannot read. */
  readonly decode: (object: unknown) => Item;
  readonly sink: ReflectorSink<Item>;
  /** Default: by their names. */
  readonly keyOf?: ObjectKey;
  /** Such as `app=web`. Default: all objects of the kind. */
  readonly labelSelector?: string;
  /** More are malformed: a list that goes on for ever must end somewhere. Default 1,000,000. */
  readonly maxObjects?: number;
  readonly observer?: ReflectorObserver;
  readonly timing?: Partial<ReflectorTiming>;
  /** The probe of the client's server, shared with reflectors of the same server. Default: one of its own. */
  readonly probe?: ServerProbe;
  /** Of the pauses between attempts. Default: the real one. */
  readonly clock?: Clock;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Servers count a watch's seconds from another moment than we do. */
const endToleranceMs = 500;

/** Up to where one server's history is known. */
interface Position {
  readonly server: string;
  /** When everything was listed, on `performance`'s clock. */
  readonly listedAt: number;
  resourceVersion: string;
}

/**
 * Keeps a sink in sync with all objects of one kind: lists them, follows their changes, and after any failure resumes
 * where nothing can be missed. Only a complete list ever replaces the sink's content.
 */
export class Reflector<Item> {
  /** Whose listeners they are, in warnings. */
  readonly #owner: string;
  readonly #random: () => number;
  readonly #requests: Requests;
  readonly #recovery: Recovery;
  readonly #known: KnownObjects;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  #activity: Activity = 'list';
  /** Up to where everything is known; undefined if it must be listed. */
  #position: Position | undefined;
  /** The server's resourceVersion when a watch was resumed: once reached, the watch has caught up. */
  #target: string | undefined;
  /** In step with the server: everything it had is known. */
  #isLive = false;
  /** When it was last known to be in step (ms since the epoch); before the first list, when it was made. */
  #lastSignOfLife = steadyNow();
  /** Why it was lost, as it was told. */
  #lostFor: string | undefined;
  /** Whether the server refuses watch-lists. */
  #isWatchListRefused = false;
  /** Whether the last watch-list began but did not finish. */
  #isWatchListUnfinished = false;

  constructor(private readonly options: ReflectorOptions<Item>) {
    const { client, path, keyOf = byName, random = Math.random, clock = realClock } = options;
    const selector = presentOnly({ labelSelector: options.labelSelector });
    const { probe = new ServerProbe(client, random, clock) } = options;
    const { signal } = this.#closing;
    const timing = { ...defaultTiming, ...options.timing };
    const slice = new TimeSlice(timing.sliceMs);
    this.#random = random;
    this.#owner = `the reflector of ${path}`;
    this.#known = new KnownObjects(keyOf);
    this.#requests = { client, path, keyOf, selector, timing, slice, signal, unanswered: new Set() };
    this.#recovery = new Recovery({ ...this.#requests, probe, random, clock });
  }

  get #timing(): ReflectorTiming {
    return this.#requests.timing;
  }

  /** Runs until `close`. */
  start(): void {
    if (this.#running !== undefined || this.#isClosed) throw new Error('a reflector is started once');
    this.#running = this.#run();
  }

  /** Resolves when nothing runs any more; idempotent. The sink keeps its content. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#recovery.begin();
      try {
        if (this.#position !== undefined) await this.#watch(this.#position);
        else if (this.#isWatchListRefused || this.#isWatchListUnfinished) await this.#list();
        else await this.#watchList();
      } catch (error) {
        await this.#recover(failureOf(error));
      }
    }
  }

  async #list(): Promise<void> {
    this.#activity = 'list';
    this.#known.clear();
    await this.#replace('list', await listPages(this.#requests, this.#decode));
  }

  /** One stream for both: all objects, then their changes. */
  async #watchList(): Promise<void> {
    this.#activity = 'watch-list';
    this.#known.clear();
    const stream = new WatchStream(this.#requests, watchListQuery, this.#seconds(), this.#heard);
    await stream.answer.during(async () => {
      this.#isWatchListUnfinished = true;
      const { silenceMs } = stream.answer;
      stream.answer.silenceMs = this.#timing.listSilenceMs;
      await this.#replace('watch-list', await readInitialEvents(stream, this.#requests.keyOf, this.#decode));
      stream.answer.silenceMs = silenceMs;
      await this.#follow(stream);
    });
  }

  async #watch({ server, listedAt, resourceVersion }: Position): Promise<void> {
    this.#activity = 'watch';
    const { catchUpSeconds, relistMs } = this.#timing;
    const seconds = this.#isLive ? this.#seconds() : catchUpSeconds;
    const askedAt = performance.now();
    const stream = new WatchStream(this.#requests, { resourceVersion }, seconds, this.#heard);
    await stream.answer.during(async () => {
      if (stream.answer.server !== server) throw new ReflectorFailure('expired', 'another server answers');
      const now = await requireSameHistory(this.#requests, this.#known, { server, resourceVersion });
      // That there is no news of this kind is told only after seconds; one page is read sooner.
      const isListedSooner = this.#known.size <= pageSize && isOlder(resourceVersion, now);
      if (isListedSooner && !this.#isLive) {
        this.#position = undefined;
        return;
      }
      this.#target = now;
      await this.#follow(stream);
    });
    if (this.#position === undefined) return;
    // By its promised end, a watch has sent everything from its beginning; one that ends earlier may not have.
    if (!this.#isLive && performance.now() - askedAt > seconds * 1000 - endToleranceMs) this.#live();
    // A server's history may have changed in a way that nothing told of; no error lasts longer than this.
    if (performance.now() - listedAt > relistMs) this.#position = undefined;
  }

  /** A list counts even with an older resourceVersion: it is the server's present state. */
  async #replace(method: 'list' | 'watch-list', list: List<Item>): Promise<void> {
    const { items, resourceVersion, server } = list;
    const listedAt = performance.now();
    try {
      await this.options.sink.replace(items, server);
    } catch (error) {
      throw refusal(error);
    }
    this.#closing.signal.throwIfAborted();
    this.#isWatchListUnfinished = false;
    if (performance.now() - listedAt > this.#timing.replaceMs) {
      throw new ReflectorFailure('expired', 'the list had to wait, and is old by now');
    }
    this.#position = { server, listedAt, resourceVersion };
    this.#target = resourceVersion;
    this.#tell((observer) => observer.listed?.(method, 'success'));
    this.#live();
  }

  /** Applies changes until the server ends the watch, as it does every minute. */
  async #follow(stream: WatchStream): Promise<void> {
    this.#activity = 'watch';
    if (this.#isLive) this.#recovery.end();
    const { shortWatchMs } = this.#timing;
    const began = performance.now();
    const beganAt = this.#position?.resourceVersion;
    try {
      await stream.each((event, arrivedAt) => {
        this.#apply(event, arrivedAt);
        return 'go on';
      });
    } finally {
      this.#recovery.lasted(performance.now() - began);
    }
    const restMs = shortWatchMs - (performance.now() - began);
    if (restMs > 0) {
      // Otherwise a server that closes every watch at once would be asked without a pause.
      if (this.#position?.resourceVersion === beganAt)
        throw new ReflectorFailure('connection', 'ended at once');
      await setTimeout(restMs, undefined, { signal: this.#closing.signal });
    }
    this.#signOfLife();
    this.#tell((observer) => observer.watched?.('closed'));
  }

  #apply(event: WatchEvent, arrivedAt: number): void {
    if (event.type === 'ERROR') throw errorEventFailure(event.object);
    const { resourceVersion } = event;
    const position = this.#position;
    if (position === undefined) return;
    // The server was restored from a backup, say: its later changes are gone.
    if (isOlder(resourceVersion, position.resourceVersion)) {
      throw new ReflectorFailure('expired', 'the server went back to an older resourceVersion');
    }
    const { sink } = this.options;
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        readOrRefuse(() => {
          sink.set(this.#decode(event.object));
        });
        break;
      case 'DELETED':
        this.#known.delete(event.object);
        readOrRefuse(() => {
          sink.delete(byName(event.object), clusterOf(event.object), namespaceOf(event.object));
        });
        break;
      case 'BOOKMARK':
    }
    position.resourceVersion = resourceVersion;
    this.#goLiveIfCaughtUp();
    if (event.type !== 'BOOKMARK')
      this.#tell((observer) => observer.applied?.((performance.now() - arrivedAt) / 1000));
  }

  #goLiveIfCaughtUp(): void {
    if (this.#isLive || this.#position === undefined || this.#target === undefined) return;
    if (!isOlder(this.#position.resourceVersion, this.#target)) this.#live();
  }

  /** Bytes came on a watch. While it is being caught up with, they say nothing of now. */
  #signOfLife(): void {
    if (this.#isLive) this.#lastSignOfLife = steadyNow();
  }

  #live(): void {
    this.#isLive = true;
    this.#lostFor = undefined;
    this.#lastSignOfLife = steadyNow();
    tell(this.#owner, () => {
      this.#recovery.end();
      this.options.sink.live();
    });
  }

  /** Told once, and again where the reason is another. */
  #lost(reason: string): void {
    this.#isLive = false;
    if (reason === this.#lostFor) return;
    this.#lostFor = reason;
    tell(this.#owner, () => {
      this.options.sink.lost(reason, this.#lastSignOfLife);
    });
  }

  async #recover(failure: ReflectorFailure): Promise<void> {
    if (this.#isClosed) return;
    const activity = this.#activity;
    this.#tell((observer) => {
      if (activity === 'watch') observer.watched?.(failure.fault);
      else observer.listed?.(activity, failure.fault);
    });
    if (activity === 'watch-list' && [400, 405, 422].includes(failure.status ?? 0)) {
      this.#isWatchListRefused = true;
      return;
    }
    // A server that is silent on a watch-list may not support it.
    if (this.#isWatchListUnfinished && failure.fault === 'stalled') this.#isWatchListRefused = true;
    const { relists, delayMs } = this.#recovery.after(failure, activity, this.#position?.resourceVersion);
    if (relists) this.#position = undefined;
    const reason = `${activity} of ${this.options.path}: ${failure.message}`;
    this.#lost(reason);
    this.#tell((observer) => observer.retrying?.(reason, delayMs));
    await this.#recovery.pause(delayMs, failure);
  }

  readonly #decode = (object: unknown): Item => {
    this.#known.add(object);
    const { maxObjects = 1_000_000 } = this.options;
    if (this.#known.size > maxObjects) throw new MalformedError(`more than ${maxObjects} objects`);
    return readOrRefuse(() => this.options.decode(object));
  };

  /** Events prove that the state is current only once the watch has caught up. */
  readonly #heard = (what: 'bytes' | 'silence'): void => {
    if (this.#activity !== 'watch') return;
    if (what === 'bytes') this.#signOfLife();
    else this.#goLiveIfCaughtUp();
  };

  /** Each watch takes its own length, so that not all end at once. */
  #seconds(): number {
    const { minWatchSeconds, maxWatchSeconds } = this.#timing;
    return minWatchSeconds + Math.floor(this.#random() * (maxWatchSeconds - minWatchSeconds + 1));
  }

  #tell(telling: (observer: ReflectorObserver) => void): void {
    tell(this.#owner, telling, this.options.observer ?? {});
  }
}

/** Runs `read`; whatever that throws for an object is a MalformedError. */
function readOrRefuse<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw refusal(error);
  }
}

/** The failure for an error of the decoder or the sink. */
function refusal(error: unknown): MalformedError {
  return new MalformedError(oneLine(messageOf(error)));
}
