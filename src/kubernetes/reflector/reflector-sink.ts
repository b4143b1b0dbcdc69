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

/** Why a list or a watch failed; each is a value of a metric's label. */
export type ReflectorFault =
  /** The resourceVersion is no longer known (410), or it may be one of another server, or of another history. */
  | 'expired'
  /** No connection, or one that broke. */
  | 'connection'
  /** Nothing came for longer than the server promised. */
  | 'stalled'
  /** 401 or 403. */
  | 'refused'
  /** 429. */
  | 'throttled'
  /** Any other status that is not success. */
  | 'status'
  /** A line that is no event, an event of an unknown type, an object that cannot be read, or one too large. */
  | 'malformed';

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
