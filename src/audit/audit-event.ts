import type { Identity } from '../authentication/identity.js';
import type { Refusal } from '../authentication/union.js';

/** One decided or rejected request; written when its answer is out. Of its headers it holds only the User-Agent. */
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
  /** Absent where no authenticator was asked, or none accepted. */
  readonly identity?: Identity | undefined;
  /** The authenticator that established the identity. */
  readonly authenticator?: string | undefined;
  /** Why methods refused the credentials presented. */
  readonly refusals?: readonly Refusal[] | undefined;
  /** Why no method found credentials of its own, in one of a few texts. */
  readonly noCredentials?: string | undefined;
  /**
   * The peer's address comes last. Before it, and only where the peer is a verified front proxy, come those of
   * `X-Forwarded-For` and `X-Real-Ip`. At most 16.
   */
  readonly sourceIps: readonly string[];
  /** As the client sent it, cut at 1,024 bytes; absent without one. */
  readonly userAgent?: string | undefined;
  readonly code: number;
  /** The Kubernetes Status of the answer; absent where it was none, as for the metrics themselves. */
  readonly failure?: AuditedFailure | undefined;
  /** Whether the client went away before an answer began; `code` says nothing then. */
  readonly isClosedEarly: boolean;
  /** Kubernetes' keys: `authorization.k8s.io/decision` and `/reason`, kcp's `shardpaths.kcp.io/rejected`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** The fields of a `metav1.Status` that differ from one failure to the next. */
export interface AuditedFailure {
  readonly message: string;
  readonly reason: string;
  /** Whether Kubernetes fills `details` for this reason; with nothing in it for a path that is no resource. */
  readonly hasDetails: boolean;
}

/** Receives every event; must not throw and must not block. */
export type AuditSink = (event: AuditEvent) => void;
