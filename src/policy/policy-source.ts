import type { PolicySink } from './policy.js';

/** Where a layer of the policy comes from. */
export interface PolicySource {
  /** Of the layer it fills; unique among the sources of one server. */
  readonly name: string;
  /**
   * The server, so that a snapshot of another is never used for it; known once opened. A source without one is not in
   * snapshots: it is on disk already.
   */
  readonly origin?: string | undefined;
  /** Whether the layer's content came from this source; default: whether the layer is loaded. */
  readonly hasSynced?: boolean | undefined;
  /** Reads what is needed before the start; rejects for invalid configuration (a kubeconfig, say). */
  open?(): Promise<void>;
  /**
   * Writes to the sink until `close`. Resolves once the source is being followed; rejects for invalid configuration (a
   * broken manifest, say).
   */
  start(sink: PolicySink): Promise<void>;
  /** Stops following; idempotent. The last policy stays in force. */
  close(): Promise<void>;
}
