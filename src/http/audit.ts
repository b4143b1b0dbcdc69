import { parseRequestTarget } from '../paths/request-target.js';
import { requestTarget, tell, type Middleware, type Request } from './middleware.js';
import { requestState } from './request-state.js';
import type { Identity } from '../authentication/identity.js';
import type { Refusal } from '../authentication/union.js';

/** One decided or rejected request; written when its answer is out. Holds no header and no credential. */
export interface AuditEvent {
  readonly auditId: string;
  readonly received: Date;
  readonly completed: Date;
  /** The lower-cased method. */
  readonly verb: string;
  /** Decoded; without its query, which may carry secrets, and cut at 1,024 characters. */
  readonly path: string;
  /** Absent where nobody was asked, or nobody could be told. */
  readonly identity?: Identity;
  /** Which method established the identity. */
  readonly authenticator?: string;
  /** What methods had against the credentials presented. */
  readonly refusals?: readonly Refusal[];
  readonly code: number;
  /** Kubernetes' keys: `authorization.k8s.io/decision` and `/reason`, kcp's `shardpaths.kcp.io/rejected`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Receives every event; must not throw and must not block. */
export type AuditSink = (event: AuditEvent) => void;

/** Stands around all steps, so that an answer of any of them leaves its event. */
export function audit(sink: AuditSink): Middleware {
  return (request, response, next) => {
    let written = false;
    // `close` follows every answer, also one whose client went away before its end.
    response.once('close', () => {
      if (written) return;
      written = true;
      const event = eventOf(request, response.statusCode);
      if (event === undefined) return;
      tell(() => {
        sink(event);
      });
    });
    next();
  };
}

/** Undefined where no step took a decision: the request was none of the guard's business. */
function eventOf(request: Request, code: number): AuditEvent | undefined {
  const { auditId, received, identity, authenticator, refusals, verdict, rejected } = requestState(request);
  if (verdict === undefined && rejected === undefined && refusals === undefined) return undefined;
  const annotations: Record<string, string> = {};
  if (rejected !== undefined) annotations['shardpaths.kcp.io/rejected'] = rejected;
  if (verdict !== undefined) {
    annotations['authorization.k8s.io/decision'] = verdict.decision === 'allow' ? 'allow' : 'forbid';
    annotations['authorization.k8s.io/reason'] = verdict.reason;
  }
  return {
    auditId,
    received: new Date(received),
    completed: new Date(),
    verb: (request.method ?? '').toLowerCase(),
    path: auditedPath(requestTarget(request)),
    ...(identity === undefined ? {} : { identity }),
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(refusals === undefined ? {} : { refusals }),
    code,
    annotations,
  };
}

function auditedPath(target: string): string {
  // Cut once more after decoding: an encoded `?` may hide a query.
  const path = parseRequestTarget(target)?.path ?? target;
  return path.replace(/[?#].*$/s, '').slice(0, 1024);
}
