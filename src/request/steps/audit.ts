import type { ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { AuditEvent, AuditSink } from '../../audit/audit-event.js';
import { auditedRequestUri, cutTo } from '../../audit/audit-line.js';
import { parseRequestTarget } from '../../paths/request-target.js';
import { onceClosed, tell } from '../../tell.js';
import { isBehindFrontProxy, type FrontProxyCheck } from '../credentials.js';
import { unmappedAddress } from '../limits/request-buckets.js';
import {
  headerLine,
  headerValue,
  oncePerSocket,
  requestState,
  requestTarget,
  type Middleware,
  type Request,
} from '../middleware.js';
import { aFunction, checkArgument } from '../../option-checks.js';

const maxUserAgentBytes = 1024;
const maxPathLength = 1024;
const maxSourceIps = 16;
/** More than so many addresses need; each part costs a little. */
const maxForwardedLength = 1024;
/** As long as a UUID with a prefix; kube-apiserver takes any. */
const validAuditId = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/**
 * Stands before all other steps: a request keeps the `Audit-Id` that a front proxy gave it, so that both logs use the
 * same. From any other client the header is ignored: it could make its requests look like another's.
 */
export function adoptAuditId(isFrontProxy: FrontProxyCheck): Middleware {
  return (request, _response, next) => {
    const auditId = headerLine(request, 'audit-id');
    if (auditId !== undefined && validAuditId.test(auditId) && isBehindFrontProxy(request, isFrontProxy)) {
      requestState(request).auditId = auditId;
    }
    next();
  };
}

/**
 * Stands around all steps, so that an answer of any of them leaves its event. `isFrontProxy` says whose
 * `X-Forwarded-For` is used; default: none. `isWanted`: whether the sink wants the event of an answer with this code, since
 * one takes longer to make than some answers; default: all.
 */
export function audit(
  sink: AuditSink,
  isFrontProxy?: FrontProxyCheck,
  isWanted: (code: number) => boolean = () => true,
): Middleware {
  checkArgument('sink', sink, aFunction);
  return (request, response, next) => {
    // Read now, since a closed socket knows neither its peer nor its certificates.
    const sourceIps = sourceIpsOf(request, isFrontProxy);
    onceClosed(request.socket, response, () => {
      if (response.headersSent && !isWanted(response.statusCode)) return;
      const event = eventOf(request, response, sourceIps);
      if (event !== undefined) tell('audit', sink, event);
    });
    next();
  };
}

/** Undefined where no step took a decision: the request did not concern the guard. */
function eventOf(
  request: Request,
  response: ServerResponse,
  sourceIps: readonly string[],
): AuditEvent | undefined {
  const { auditId, received, identity, authenticator, refusals, noCredentials, verdict, rejected, failure } =
    requestState(request);
  if (verdict === undefined && rejected === undefined && refusals === undefined) return undefined;
  const annotations: Record<string, string> = {};
  if (verdict !== undefined) {
    annotations['authorization.k8s.io/decision'] = verdict.decision === 'allow' ? 'allow' : 'forbid';
    annotations['authorization.k8s.io/reason'] = verdict.reason;
  }
  if (rejected !== undefined) annotations['shardpaths.kcp.io/rejected'] = rejected;
  const target = requestTarget(request);
  return {
    auditId,
    received: new Date(received),
    completed: new Date(),
    verb: (request.method ?? '').toLowerCase(),
    path: auditedPath(target),
    requestUri: auditedRequestUri(target),
    identity,
    authenticator,
    refusals,
    noCredentials,
    sourceIps,
    userAgent: userAgentOf(request),
    code: response.statusCode,
    failure,
    isClosedEarly: !response.headersSent,
    annotations,
  };
}

function auditedPath(target: string): string {
  // Cut once more after decoding: an encoded `?` may hide a query.
  const path = parseRequestTarget(target)?.path ?? target;
  return path.replace(/[?#].*$/s, '').slice(0, maxPathLength);
}

function userAgentOf(request: Request): string | undefined {
  const line = headerLine(request, 'user-agent');
  if (line === undefined || line === '') return undefined;
  const cut = cutTo(line, maxUserAgentBytes);
  // Node hands over bytes as Latin-1; what is not UTF-8 becomes U+FFFD, as with Go.
  return /[^\0-\x7f]/.test(cut) ? Buffer.from(cut, 'latin1').toString('utf8') : cut;
}

/**
 * Where a request comes from, as kube-apiserver logs it: the addresses of `X-Forwarded-For` and `X-Real-Ip`, and last the
 * peer's own. The headers count only if a front proxy sent them.
 */
function sourceIpsOf(request: Request, isFrontProxy: FrontProxyCheck | undefined): readonly string[] {
  const peer = peerOf(request.socket);
  if (isFrontProxy === undefined) return peer;
  // All lines of it: a proxy may add one of its own behind the client's.
  const forwardedFor = headerValue(request, 'x-forwarded-for');
  const realIp = headerLine(request, 'x-real-ip');
  if ((forwardedFor === '' && realIp === undefined) || !isBehindFrontProxy(request, isFrontProxy)) {
    return peer;
  }
  // The last of them are the nearest, and known best.
  const ips = forwardedFor
    .slice(-maxForwardedLength)
    .split(',')
    .map(addressIn)
    .filter((ip) => ip !== undefined);
  const real = addressIn(realIp ?? '');
  if (real !== undefined && !ips.includes(real)) ips.push(real);
  ips.push(...peer.filter((ip) => ips.at(-1) !== ip));
  return ips.slice(-maxSourceIps);
}

/** Of a connection's other end. */
const peerOf = oncePerSocket((socket): readonly string[] => {
  const peer = addressIn(socket.remoteAddress ?? '');
  return Object.freeze(peer === undefined ? [] : [peer]);
});

/** IPv4 in its own form, and no zone, as Go writes them. */
function addressIn(text: string): string | undefined {
  const [address = ''] = unmappedAddress(text.trim().toLowerCase()).split('%', 1);
  return isIP(address) === 0 ? undefined : address;
}
