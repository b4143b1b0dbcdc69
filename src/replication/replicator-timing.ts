/** How long a replicator waits for what. */
export interface ReplicatorTiming {
  /** How long changes are gathered before they are looked at (ms). */
  readonly gatherMs: number;
  /** How long a patch may take (ms). */
  readonly patchMs: number;
  /** How long after a conflict to wait for the newer object (ms). */
  readonly conflictMs: number;
  /** How long to leave an object alone that may not be changed, unless it changes (ms). */
  readonly refusedMs: number;
  /** The most that the first retry waits where the server is away or busy (ms); doubles with each failure. */
  readonly backoffBaseMs: number;
  /** The most that any retry waits (ms), unless the server asks for more. */
  readonly backoffCapMs: number;
}

export const defaultTiming: ReplicatorTiming = {
  gatherMs: 100,
  patchMs: 10_000,
  conflictMs: 1_000,
  refusedMs: 300_000,
  backoffBaseMs: 250,
  backoffCapMs: 15_000,
};
