import type { ServerResponse } from 'node:http';
import {
  isGuarded,
  pathRefusal,
  type PathClassification,
  type PathClassifier,
  type ServerKind,
} from '../../paths/classify.js';
import { closingHeaders, sendNotFound, sendStatus, sendText } from '../answer/status.js';
import {
  headerLine,
  listenerOf,
  requestState,
  requestTarget,
  type FilterListener,
  type Guard,
  type Middleware,
  type Request,
} from '../middleware.js';
import { aFunction, checkOptions, oneOf, optional } from '../../option-checks.js';

export interface ClassifyPathOptions {
  readonly classifier: PathClassifier;
  /** Decides the wording of the 501. Default `shard`. */
  readonly serverKind?: ServerKind;
  /**
   * `shard-level` answers or passes on only what concerns shard-level paths, so that the filter can stand in
   * front of any application; `all` also redirects other paths that are not canonical.
   */
  readonly extent: 'shard-level' | 'all';
  /** Answers a scoped shard-level path in place of the 501, after its own authorization: kcp keeps that place. */
  readonly scopedEndpoint?: Middleware | undefined;
  /** Told of every request turned away here, by its status code. */
  readonly onRejected?: (code: number) => void;
}

/** More than any client sends, and less than Node keeps unless told otherwise. */
const maxHeaderFields = 1000;

/**
 * Stands first: what a path means does not depend on the client, and one that asks for a scoped path must not learn from a
 * 401 or 403 whether its workspace exists. What an earlier guard has allowed does not count behind it. `guard`: whose step
 * it is (`guardSteps`); default: one that stands alone.
 */
export function classifyPath(options: ClassifyPathOptions, guard?: Guard): Middleware {
  checkOptions(options, {
    classifier: aFunction,
    serverKind: optional(oneOf('shard', 'cache-server')),
    extent: oneOf('shard-level', 'all'),
    scopedEndpoint: optional(aFunction),
  });
  const { classifier, serverKind = 'shard', extent, scopedEndpoint } = options;
  const listener =
    guard?.listener ??
    listenerOf('classifyPath', {
      rejected: ({ code }) => options.onRejected?.(code),
    });
  return (request, response, next) => {
    if (request.rawHeaders.length > 2 * fieldLimit(request)) {
      reject(request, 431, 'too many header fields', listener);
      sendStatus(request, response, 'RequestHeaderFieldsTooLarge', 'too many header fields');
      return;
    }
    const classification = classifyAsSentAndAsRouted(classifier, request);
    const state = requestState(request);
    state.classification = classification;
    state.classifiedBy = guard;
    state.classifiedIn = state.chain;
    state.workspace = undefined;
    state.isAllowed = false;
    state.allowedBy = undefined;
    state.passedBy = undefined;
    state.passedIn = undefined;
    if (extent === 'shard-level' && isPassedOn(classification)) {
      next();
      return;
    }
    const fault = headerFault(request);
    if (fault !== undefined) {
      reject(request, 400, fault, listener);
      sendStatus(request, response, 'BadRequest', fault, closingHeaders(request));
    } else if (classification.kind === 'scoped-shard-level' && scopedEndpoint !== undefined) {
      scopedEndpoint(request, response, next);
    } else if (!refusePath(request, response, classification, listener, serverKind)) next();
  };
}

/** Answers a path that is not decided on. Returns false, and answers nothing, for any other. */
export function refusePath(
  request: Request,
  response: ServerResponse,
  classification: PathClassification,
  listener?: FilterListener,
  serverKind?: ServerKind,
): boolean {
  const refusal = pathRefusal(classification, serverKind);
  if (refusal === undefined) return false;
  const { code, reason } = refusal;
  reject(request, code, reason, listener);
  if (classification.kind === 'redirect') {
    sendText(request, response, code, 'Temporary Redirect\n', { Location: classification.location });
  } else if (code === 501) sendText(request, response, code, `${reason}\n`);
  else if (code === 400) sendStatus(request, response, 'BadRequest', reason);
  else sendNotFound(request, response);
  return true;
}

/** Takes back the verdict of an earlier guard: the answer says something else. */
function reject(request: Request, code: number, reason: string, listener?: FilterListener): void {
  const state = requestState(request);
  state.rejected = reason;
  state.verdict = undefined;
  listener?.({ kind: 'rejected', code });
}

/**
 * The target as it was sent decides. Where a router has cut it or a middleware in front has rewritten it, as kcp's own
 * handler strips a scope, what the routers behind will see must not lead to a shard-level path either: a bare `/metrics`
 * there is a scoped request for it.
 */
function classifyAsSentAndAsRouted(classifier: PathClassifier, request: Request): PathClassification {
  const sent = requestTarget(request);
  const classification = classifier(sent);
  if (request.originalUrl === undefined || !isPassedOn(classification)) return classification;
  const cut = request.url ?? '/';
  for (const routed of new Set([(request.baseUrl ?? '') + cut, cut])) {
    if (routed === sent) continue;
    const asRouted = classifier(routed);
    if (isGuarded(asRouted)) return { kind: 'scoped-shard-level', scope: {}, path: asRouted.path };
    if (!isPassedOn(asRouted)) return asRouted;
  }
  return classification;
}

/** Whether the application behind may see it. */
function isPassedOn(classification: PathClassification): boolean {
  return (
    classification.kind === 'other' ||
    classification.kind === 'ambiguous' ||
    (classification.kind === 'redirect' && !classification.shardLevel)
  );
}

/**
 * What no server may overlook, and Node does: to another reader the request goes to another host (RFC 9112, 3.2), or
 * ends elsewhere, with another request behind it (6.1: HTTP/1.0 has no transfer codings; nor has any other version but 1.1,
 * and Node takes 0.9 and 2.0 in a request line).
 */
function headerFault(request: Request): string | undefined {
  const { rawHeaders, httpVersion } = request;
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) return 'more than one Host header';
  const isCoded = httpVersion !== '1.1' && headerLine(request, 'transfer-encoding') !== undefined;
  return isCoded ? 'the length of the body is ambiguous' : undefined;
}

/** How many header fields Node keeps; it drops the others, and with them perhaps a scope. */
function fieldLimit({ socket }: Request): number {
  const { server } = socket as { readonly server?: { readonly maxHeadersCount?: number | null } };
  const limit = server?.maxHeadersCount;
  return typeof limit === 'number' && limit > 0 ? Math.min(limit, maxHeaderFields) : maxHeaderFields;
}
