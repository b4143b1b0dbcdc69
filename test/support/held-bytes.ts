import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What this process holds, in its heap and outside, without garbage. */
export function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  // The bytes of buffers are freed by a thread, which the next collection waits for.
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
