import { setTimeout } from 'node:timers/promises';
import type { RequestObservation } from '../api-client.js';
import type { ReflectorFault } from '../kubernetes-errors.js';

/** Where a reflector writes what it knows of one kind of object. */
export interface ReflectorSink<Item> {
  /** All objects, after a list of that server. The reflector waits for it. */
  replace(items: readonly Item[], server: string): Promise<void>;
  set(item: Item): void;
  /** `cluster`: the logical cluster it stood in, where the server says so. */
  delete(name: string, cluster: string | undefined, namespace: string | undefined): void;
  /** In sync with the server: after each `replace`, and when a lost watch has caught up. */
  live(): void;
  /** Out of sync. `since` is the time of the last sign of life (ms since the epoch). */
  lost(reason: string, since: number): void;
}

/** Listens to a reflector, for metrics and logs. Must not throw. */
export interface ReflectorObserver {
  listed?(method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void;
  /** `closed`: the server ended it, as it does every minute. */
  watched?(result: 'closed' | ReflectorFault): void;
  /** From the arrival of an event's bytes until decisions follow it. */
  applied?(seconds: number): void;
  /** After a failure, before the next attempt. */
  retrying?(reason: string, delayMs: number): void;
}

/** Listens to what follows a server with reflectors, for metrics and logs. Must not throw. */
export interface ServerObserver {
  request?(observation: RequestObservation): void;
  /** Out of sync with the server, or in sync again. */
  lost?(reason: string): void;
  synced?(): void;
  /** One line, for the log. */
  warning?(message: string): void;
}

/** The delays and timeouts of a reflector. */
export const defaultTiming = {
  /** The shortest watch (s); lengths are random, so that watches do not end together. */
  minWatchSeconds: 45,
  /** The longest watch (s). */
  maxWatchSeconds: 60,
  /** How long after its promised end a silent watch is aborted (ms). */
  watchGraceMs: 10_000,
  /** How long an answer's headers may take (ms). */
  headersMs: 30_000,
  /** How long a list may pause (ms). */
  listSilenceMs: 30_000,
  /** How long a page of a list may take (ms). */
  pageMs: 60_000,
  /** How long the check whether the server is still the same may take (ms). */
  questionMs: 10_000,
  /** After this long a list that waited for others is outdated (ms). */
  replaceMs: 30_000,
  /** How often everything is listed again although nothing failed (ms). */
  relistMs: 3_600_000,
  /**
   * How long the first watch after a loss is asked to last (s): at its end it has certainly caught up. Two seconds
   * before, kube-apiserver says how far it is.
   */
  catchUpSeconds: 3,
  /** How long a resumed watch must be silent to count as caught up if nothing is known to be missing (ms). */
  catchUpMs: 100,
  /** A watch that ends earlier than this and brought nothing new counts as broken; else the next one waits (ms). */
  shortWatchMs: 1_000,
  /** A watch that lasts longer than this makes up for earlier failures (ms). */
  steadyWatchMs: 5_000,
  /** The longest first delay of a retry (ms); doubles with each failure. */
  backoffBaseMs: 250,
  /** The longest delay of a retry (ms), unless the server asks for more. */
  backoffCapMs: 15_000,
  /** The longest delay of an attempt after the server is back (ms): many clients may notice at once. */
  spreadMs: 250,
  /** How long to work before yielding the event loop (ms). */
  sliceMs: 4,
};

export type ReflectorTiming = Readonly<typeof defaultTiming>;

/** What pauses are measured with. */
export interface Clock {
  /** In ms, and never set back. */
  now(): number;
  /** Rejects when `signal` ends it. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
};
