/** How long a reflector waits for what. */
export interface ReflectorTiming {
  /** The shortest a watch is asked to last (s); each takes its own length, so that not all end at once. */
  readonly minWatchSeconds: number;
  /** The longest a watch is asked to last (s). */
  readonly maxWatchSeconds: number;
  /** How long after its promised end a watch that says nothing is given up (ms). */
  readonly watchGraceMs: number;
  /** How long an answer's headers may take (ms). */
  readonly headersMs: number;
  /** How long a list may pause (ms). */
  readonly listSilenceMs: number;
  /** How long a page of a list may take (ms). */
  readonly pageMs: number;
  /** How long the question whether the server is still the same may take (ms). */
  readonly questionMs: number;
  /** After this long a list is no longer what the server has (ms): it waited for others. */
  readonly replaceMs: number;
  /** How often everything is listed anew although nothing failed (ms). */
  readonly relistMs: number;
  /**
   * How long the first watch after a loss is asked to last (s): at its end it has certainly caught up. Two seconds
   * before, kube-apiserver says how far it is.
   */
  readonly catchUpSeconds: number;
  /** How long a resumed watch has to be quiet to count as caught up where nothing is known to be missing (ms). */
  readonly catchUpMs: number;
  /** A watch that ends earlier than this and brought nothing new counts as broken; else the next one waits (ms). */
  readonly shortWatchMs: number;
  /** A watch that lasts longer than this makes up for earlier failures (ms). */
  readonly steadyWatchMs: number;
  /** The most that the first retry waits (ms); doubles with each failure. */
  readonly backoffBaseMs: number;
  /** The most that any retry waits (ms), unless the server asks for more. */
  readonly backoffCapMs: number;
  /** The most that an attempt waits when the server was found back (ms): many may have found it at once. */
  readonly spreadMs: number;
  /** How long to work before others have the event loop (ms). */
  readonly sliceMs: number;
}

export const defaultTiming: ReflectorTiming = {
  minWatchSeconds: 45,
  maxWatchSeconds: 60,
  watchGraceMs: 10_000,
  headersMs: 30_000,
  listSilenceMs: 30_000,
  pageMs: 60_000,
  questionMs: 10_000,
  replaceMs: 30_000,
  relistMs: 3_600_000,
  catchUpSeconds: 3,
  catchUpMs: 100,
  shortWatchMs: 1_000,
  steadyWatchMs: 5_000,
  backoffBaseMs: 250,
  backoffCapMs: 15_000,
  spreadMs: 250,
  sliceMs: 4,
};
