import type { ServerResponse } from 'node:http';
import type { PathClassification, PathClassifier, ServerKind } from '../paths/classify.js';
import { requestTarget, tell, type Middleware, type Request } from './middleware.js';
import { requestState } from './request-state.js';
import { sendStatus, sendText } from './status.js';

export interface ClassifyPathOptions {
  readonly classifier: PathClassifier;
  /** Decides the wording of the 501. Default `shard`. */
  readonly serverKind?: ServerKind;
  /**
   * `shard-level` answers or passes on only what concerns shard-level paths, so that the filter can stand in
   * front of any application; `all` also redirects other paths that are not canonical.
   */
  readonly extent: 'shard-level' | 'all';
  /**
   * Answers a shard-level path below a scope in place of the 501, after an authorization of its own: kcp
   * keeps that place for metrics of one workspace.
   */
  readonly scopedEndpoint?: Middleware;
  /** Told of every request turned away here, by its status code. */
  readonly onRejected?: (code: number) => void;
}

/** kcp's wording, by kind of server. */
const notAvailable: Readonly<Record<ServerKind, string>> = {
  shard: 'shard-level endpoint not available at workspace scope\n',
  'cache-server': 'shard-level endpoint not available at shard or workspace scope\n',
};

/** More than any client sends, and less than Node keeps unless told otherwise. */
const maxHeaderFields = 1000;

/**
 * Stands first: what a path means does not depend on who asks, and a stranger who asks for a scoped path
 * must not learn from a 401 or 403 whether its workspace exists.
 */
export function classifyPath({
  classifier,
  serverKind = 'shard',
  extent,
  scopedEndpoint,
  onRejected = () => undefined,
}: ClassifyPathOptions): Middleware {
  const reject = (request: Request, code: number, rejected: string): void => {
    requestState(request).rejected = rejected;
    tell(() => {
      onRejected(code);
    });
  };
  return (request, response, next) => {
    if (request.rawHeaders.length > 2 * fieldLimit(request)) {
      reject(request, 431, 'too many header fields');
      sendStatus(request, response, 'RequestHeaderFieldsTooLarge', 'too many header fields');
      return;
    }
    const classification = classifyAsSentAndAsRouted(classifier, request);
    requestState(request).classification = classification;
    switch (classification.kind) {
      case 'bad-request':
        reject(request, 400, classification.message);
        sendStatus(request, response, 'BadRequest', classification.message);
        return;
      case 'redirect':
        if (extent === 'shard-level' && !classification.shardLevel) {
          next();
          return;
        }
        reject(request, 307, 'path is not canonical');
        redirect(request, response, classification.location);
        return;
      case 'scoped-shard-level':
        if (scopedEndpoint !== undefined) {
          scopedEndpoint(request, response, next);
          return;
        }
        reject(request, 501, notAvailable[serverKind].trimEnd());
        sendText(request, response, 501, notAvailable[serverKind]);
        return;
      case 'lookalike':
        reject(request, 404, 'looks like a shard-level path');
        sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
        return;
      case 'shard-level':
      case 'other':
        next();
    }
  };
}

/**
 * The target as it was sent decides. Where a router has cut it or a middleware in front has rewritten it, as
 * kcp's own handler strips a scope, what the routers behind will see must not lead to a shard-level path
 * either: bare `/metrics` there is a scoped request for it.
 */
function classifyAsSentAndAsRouted(classifier: PathClassifier, request: Request): PathClassification {
  const sent = requestTarget(request);
  const classification = classifier(sent);
  if (request.originalUrl === undefined || !isPassedOn(classification)) return classification;
  const cut = request.url ?? '/';
  for (const routed of new Set([(request.baseUrl ?? '') + cut, cut])) {
    if (routed === sent) continue;
    const asRouted = classifier(routed);
    if (asRouted.kind === 'shard-level')
      return { kind: 'scoped-shard-level', scope: {}, path: asRouted.path };
    if (!isPassedOn(asRouted)) return asRouted;
  }
  return classification;
}

/** Whether the application behind may get to see it. */
function isPassedOn(classification: PathClassification): boolean {
  return (
    classification.kind === 'other' || (classification.kind === 'redirect' && !classification.shardLevel)
  );
}

/** How many header fields Node keeps; it drops the others, and with them perhaps a scope. */
function fieldLimit({ socket }: Request): number {
  const { server } = socket as { readonly server?: { readonly maxHeadersCount?: number | null } };
  const limit = server?.maxHeadersCount;
  return typeof limit === 'number' && limit > 0 ? Math.min(limit, maxHeaderFields) : maxHeaderFields;
}

function redirect(request: Request, response: ServerResponse, location: string): void {
  sendText(request, response, 307, 'Temporary Redirect\n', { Location: location });
}
