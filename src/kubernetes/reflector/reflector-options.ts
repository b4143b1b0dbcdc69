import { setTimeout } from 'node:timers/promises';
import type { ReflectorFault } from '../kubernetes-errors.js';

/** Where a reflector writes what it knows of one kind of object. */
export interface ReflectorSink<Item> {
  /** Everything there is, after a list of that server. The reflector waits for it before it goes on. */
  replace(items: readonly Item[], server: string): Promise<void>;
  set(item: Item): void;
  delete(name: string): void;
  /** In step with the server: after each `replace`, and again when a lost watch has caught up. */
  live(): void;
  /** Out of step. `since` is when the last sign of life came (ms since the epoch). */
  lost(reason: string, since: number): void;
}

/** Told of what a reflector does, for metrics and logs. None of it may throw. */
export interface ReflectorObserver {
  listed?(method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void;
  /** `closed`: the server ended it, as it does every few minutes. */
  watched?(result: 'closed' | ReflectorFault): void;
  /** From the arrival of an event's bytes to the moment decisions are made on it. */
  applied?(seconds: number): void;
  /** After a failure, before the next attempt. */
  retrying?(reason: string, delayMs: number): void;
}

/** How long a reflector waits for what. */
export const defaultTiming = {
  /** The shortest a watch is asked to last (s); each takes its own length, so that not all end at once. */
  minWatchSeconds: 45,
  /** The longest a watch is asked to last (s). */
  maxWatchSeconds: 60,
  /** How long after its promised end a watch that says nothing is given up (ms). */
  watchGraceMs: 10_000,
  /** How long an answer's headers may take (ms). */
  headersMs: 30_000,
  /** How long a list may pause (ms). */
  listSilenceMs: 30_000,
  /** How long a page of a list may take (ms). */
  pageMs: 60_000,
  /** How long the question whether the server is still the same may take (ms). */
  questionMs: 10_000,
  /** After this long a list is no longer what the server has (ms): it waited for others. */
  replaceMs: 30_000,
  /** How often everything is listed again although nothing failed (ms). */
  relistMs: 3_600_000,
  /**
   * How long the first watch after a loss is asked to last (s): at its end it has certainly caught up. Two seconds
   * before, kube-apiserver says how far it is.
   */
  catchUpSeconds: 3,
  /** How long a resumed watch has to be quiet to count as caught up where nothing is known to be missing (ms). */
  catchUpMs: 100,
  /** A watch that ends earlier than this and brought nothing new counts as broken; else the next one waits (ms). */
  shortWatchMs: 1_000,
  /** A watch that lasts longer than this makes up for earlier failures (ms). */
  steadyWatchMs: 5_000,
  /** The most that the first retry waits (ms); doubles with each failure. */
  backoffBaseMs: 250,
  /** The most that any retry waits (ms), unless the server asks for more. */
  backoffCapMs: 15_000,
  /** The most that an attempt waits when the server was found back (ms): many may have found it at once. */
  spreadMs: 250,
  /** How long to work before others have the event loop (ms). */
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
