import { runInSlices } from '../time-slice.js';
import type { PolicyObject } from './objects.js';
import type { PolicySink } from './policy.js';

/** Where a layer of the policy comes from. */
export interface PolicySource {
  /** Of the layer it fills; unique among the sources of one server. */
  readonly name: string;
  /**
   * Which server's policy it is, so that a snapshot of another is never taken for it; known once opened. A source
   * without one is not in snapshots: it lies on disk already.
   */
  readonly origin?: string | undefined;
  /** Whether what the layer holds came from it; default: whether the layer is loaded. */
  readonly hasSynced?: boolean | undefined;
  /** Reads what has to be known before the start; rejects for what must be corrected (a kubeconfig, say). */
  open?(): Promise<void>;
  /**
   * Begins to write to the sink and goes on until `close`. Resolves once the source is being followed;
   * rejects for what must be corrected before a start (a broken manifest, say).
   */
  start(sink: PolicySink): Promise<void>;
  /** Stops following; idempotent. The last policy stays in force. */
  close(): Promise<void>;
}

/** Replaces all that a sink holds, in slices where it can. */
export async function replaceInSlices(sink: PolicySink, objects: readonly PolicyObject[]): Promise<void> {
  const steps = sink.replaceAll?.(objects);
  if (steps === undefined) sink.replace(objects);
  else await runInSlices(steps);
}
