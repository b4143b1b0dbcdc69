import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** What this process holds, in its heap and outside, without garbage. */
export function heldBytes(): number {
  const collect = collector();
  collect();
  // The bytes of buffers are freed by a thread, which the next collection waits for.
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/**
 * What `work` leaves behind for the next full collection: bytes that collections of the young generation, the only ones
 * while it lasts, have not freed. `pass` makes one of them.
 */
export function bytesLeftBy(work: (pass: () => void) => void): number {
  const collect = collector();
  const old = (): number =>
    getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? NaN;
  const pass = (): void => {
    collect({ type: 'minor' });
  };
  collect();
  const before = old();
  work(pass);
  pass();
  pass();
  return old() - before;
}
