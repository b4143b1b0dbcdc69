import type { Identity } from '../authentication/identity.js';
import type { Refusal } from '../authentication/union.js';

/** One decided or rejected request, written when its answer is out. The User-Agent is the only header in it. */
export interface AuditEvent {
  readonly auditId: string;
  readonly received: Date;
  readonly completed: Date;
  /** The lower-cased method. */
  readonly verb: string;
  /** Decoded; without its query, which may carry secrets, and cut at 1,024 characters. */
  readonly path: string;
  /** As sent, in ASCII and cut at 1,024 characters; values of its query that may be secrets are `REDACTED`. */
  readonly requestUri: string;
  /** Absent if no authenticator was asked or none accepted. */
  readonly identity?: Identity | undefined;
  readonly authenticator?: string | undefined;
  readonly refusals?: readonly Refusal[] | undefined;
  /** Why no authenticator found credentials, as one of a few texts. */
  readonly noCredentials?: string | undefined;
  /**
   * The peer's address comes last. Before it, only if the peer is a verified front proxy, come those of
   * `X-Forwarded-For` and `X-Real-Ip`. At most 16.
   */
  readonly sourceIps: readonly string[];
  /** As the client sent it, cut at 1,024 bytes; absent without one. */
  readonly userAgent?: string | undefined;
  readonly code: number;
  /** The answer's Kubernetes Status; absent if it has none, as for the metrics themselves. */
  readonly failure?: AuditedFailure | undefined;
  /** Whether the client disconnected before an answer began; then `code` means nothing. */
  readonly isClosedEarly: boolean;
  /** Kubernetes' keys: `authorization.k8s.io/decision` and `/reason`, kcp's `shardpaths.kcp.io/rejected`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** The fields of a `metav1.Status` that differ from one failure to the next. */
export interface AuditedFailure {
  readonly message: string;
  readonly reason: string;
  /** Whether Kubernetes sends `details` for this reason; empty for a path that is not a resource. */
  readonly hasDetails: boolean;
}

/** Receives every event; must not throw and must not block. */
export type AuditSink = (event: AuditEvent) => void;
