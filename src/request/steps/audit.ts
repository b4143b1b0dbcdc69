import type { ServerResponse } from 'node:http';
import type { AuditEvent, AuditSink } from '../../audit/audit-event.js';
import { parseRequestTarget } from '../../paths/request-target.js';
import { isBehindFrontProxy, type FrontProxyCheck } from '../front-proxy.js';
import { givenUpWith } from '../answer/given-up.js';
import { requestTarget, tell, type Middleware, type Request } from '../middleware.js';
import { headerLine } from '../raw-header.js';
import { requestState } from '../request-state.js';
import { sourceIpsOf } from '../source-ips.js';
import { cutTo, auditedRequestUri } from '../../audit/audit-line.js';

export type { AuditEvent, AuditSink } from '../../audit/audit-event.js';

const maxUserAgentBytes = 1024;

/**
 * Stands around all steps, so that an answer of any of them leaves its event. `isFrontProxy` says whose
 * `X-Forwarded-For` is believed; default: nobody's.
 */
export function audit(sink: AuditSink, isFrontProxy: FrontProxyCheck = () => false): Middleware {
  return (request, response, next) => {
    let written = false;
    // The socket knows neither its peer nor its certificates when it is closed.
    const sourceIps = sourceIpsOf(request, () => isBehindFrontProxy(request, isFrontProxy));
    const write = (): void => {
      if (written) return;
      written = true;
      const event = eventOf(request, response, sourceIps);
      if (event === undefined) return;
      tell(() => {
        sink(event);
      });
    };
    // `close` follows every answer, also one whose client went away before its end.
    response.once('close', write);
    givenUpWith(request, response, write);
    next();
  };
}

/** Undefined where no step took a decision: the request was none of the guard's business. */
function eventOf(
  request: Request,
  response: ServerResponse,
  sourceIps: readonly string[],
): AuditEvent | undefined {
  const state = requestState(request);
  const { auditId, received, identity, authenticator, refusals, noCredentials } = state;
  const { verdict, rejected, failure } = state;
  if (verdict === undefined && rejected === undefined && refusals === undefined) return undefined;
  const annotations: Record<string, string> = {};
  if (verdict !== undefined) {
    annotations['authorization.k8s.io/decision'] = verdict.decision === 'allow' ? 'allow' : 'forbid';
    annotations['authorization.k8s.io/reason'] = verdict.reason;
  }
  if (rejected !== undefined) annotations['shardpaths.kcp.io/rejected'] = rejected;
  const target = requestTarget(request);
  const userAgent = userAgentOf(request);
  return {
    auditId,
    received: new Date(received),
    completed: new Date(),
    verb: (request.method ?? '').toLowerCase(),
    path: auditedPath(target),
    requestUri: auditedRequestUri(target),
    ...(identity === undefined ? {} : { identity }),
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(refusals === undefined ? {} : { refusals }),
    ...(noCredentials === undefined ? {} : { noCredentials }),
    sourceIps,
    ...(userAgent === undefined ? {} : { userAgent }),
    code: response.statusCode,
    ...(failure === undefined ? {} : { failure }),
    isClosedEarly: !response.headersSent,
    annotations,
  };
}

function auditedPath(target: string): string {
  // Cut once more after decoding: an encoded `?` may hide a query.
  const path = parseRequestTarget(target)?.path ?? target;
  return path.replace(/[?#].*$/s, '').slice(0, 1024);
}

function userAgentOf({ rawHeaders }: Request): string | undefined {
  const line = headerLine(rawHeaders, 'user-agent');
  if (line === undefined || line === '') return undefined;
  const cut = cutTo(line, maxUserAgentBytes);
  // Node hands over bytes as Latin-1; what is not UTF-8 becomes U+FFFD, as with Go.
  return /[^\0-\x7f]/.test(cut) ? Buffer.from(cut, 'latin1').toString('utf8') : cut;
}
