import type { Identity } from '../authentication/identity.js';
import type { Refusal } from '../authentication/union.js';

/** One decided or rejected request; written when its answer is out. Of its headers it holds the User-Agent alone. */
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
  /** Absent where nobody was asked, or nobody could be told. */
  readonly identity?: Identity;
  /** Which method established the identity. */
  readonly authenticator?: string;
  /** What methods had against the credentials presented. */
  readonly refusals?: readonly Refusal[];
  /** Why there was nothing that a method could have something against, in one of a few texts. */
  readonly noCredentials?: string;
  /**
   * The peer's address at the end. Before it, and only where the peer is a verified front proxy, those of
   * `X-Forwarded-For` and `X-Real-Ip`. At most 16.
   */
  readonly sourceIps: readonly string[];
  /** As the client says it, cut at 1,024 bytes; absent without one. */
  readonly userAgent?: string;
  readonly code: number;
  /** The Kubernetes Status of the answer; absent where it was none, as for the metrics themselves. */
  readonly failure?: AuditedFailure;
  /** Whether the client went away before an answer began; `code` says nothing then. */
  readonly isClosedEarly: boolean;
  /** Kubernetes' keys: `authorization.k8s.io/decision` and `/reason`, kcp's `shardpaths.kcp.io/rejected`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Of a `metav1.Status`, what differs from one failure to the next. */
export interface AuditedFailure {
  readonly message: string;
  readonly reason: string;
  /** Whether Kubernetes fills `details` for this reason; with nothing in it for a path that is no resource. */
  readonly hasDetails: boolean;
}

/** Receives every event; must not throw and must not block. */
export type AuditSink = (event: AuditEvent) => void;
