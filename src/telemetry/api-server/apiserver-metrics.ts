import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Registry } from 'prom-client';
import { CodedError } from '../../coded-error.js';
import {
  AlwaysAllowPathError,
  healthPaths,
  pathPatterns,
  type PathMatcher,
} from '../../paths/always-allow.js';
import { parseRequestTarget } from '../../paths/request-target.js';
import { queryParameters, requestInfo } from './request-info.js';
import {
  BoundedLabels,
  isLongRunning,
  isSized,
  other,
  requestKind,
  requestLabels,
  type BoundedLabelsOptions,
  type InstrumentedResource,
} from './request-labels.js';
import { requestMetrics } from './request-metrics.js';

export interface ApiserverMetricsOptions {
  /** Where the metrics stand. */
  readonly registry: Registry;
  /**
   * The resources that are told apart; every other is `other`. Default: those of the requests that were served,
   * up to `maxResources`. Name them where paths have the shape of Kubernetes' but hold something else in its
   * place, such as `/api/users/42`.
   */
  readonly resources?: readonly InstrumentedResource[];
  /** How many resources and subresources may be learned. Default 500. */
  readonly maxResources?: number;
  /** Exact paths that are counted although they are no resources. Default: `/livez`, `/readyz`, `/healthz`. */
  readonly nonResourcePaths?: readonly string[];
  /**
   * Paths that are not even in flight: exact, or a prefix that ends in a single `*`. Default: `/metrics` and what
   * lies below it, so that a scrape does not see itself.
   */
  readonly ignorePaths?: readonly string[];
}

/** An option that cannot be used; the message names it and says what to pass instead. */
export class ApiserverMetricsOptionError extends CodedError {
  override readonly name = 'ApiserverMetricsOptionError';
  readonly code = 'ERR_APISERVER_METRICS_OPTION';

  constructor(
    readonly option: string,
    message: string,
  ) {
    super(`${option}: ${message}`);
  }
}

/** Fits Express 4, Express 5, connect and a bare `http.Server` alike. */
type InstrumentationMiddleware = (
  request: IncomingMessage & { readonly originalUrl?: string },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Counts and times the requests of an HTTP server as Kubernetes' API servers count theirs: `apiserver_request_total`
 * and what belongs to it, with the labels that their dashboards and rules ask for. Mounted behind the guards it counts
 * what Kubernetes counts, whose filters answer 401 and 403 uncounted; before them, what they answer as well.
 *
 * @throws ApiserverMetricsOptionError for a wrong option, Error where the registry already holds one of the names.
 */
export function apiserverMetrics(options: ApiserverMetricsOptions): InstrumentationMiddleware {
  const { registry, namedPaths, isIgnored, ...bounds } = validOptions(options);
  const metrics = requestMetrics(registry);
  const bounded = new BoundedLabels(bounds);

  return function apiserverMetrics(request, response, next) {
    const started = performance.now();
    const { method = '', headers } = request;
    const target = parseRequestTarget(request.originalUrl ?? request.url ?? '');
    const query = queryParameters(target?.query ?? '');
    const info = requestInfo(method, target?.path ?? '', query);
    if (isIgnored(info.path)) {
      next();
      return;
    }
    const lasts = isLongRunning(info);
    const inflight = lasts ? undefined : metrics.inflight[requestKind(info)];
    inflight?.rise(started);
    if (!info.isResourceRequest && !namedPaths.has(info.path)) {
      // Kubernetes reports what it routes as a resource or a health check, and nothing else.
      if (inflight !== undefined)
        onClose(request.socket, response, () => {
          inflight.fall(performance.now());
        });
      next();
      return;
    }
    const asked = requestLabels({ method, contentType: headers['content-type'], query, info }, namedPaths);
    const labels = () => bounded.of(asked, info.isResourceRequest, isServed(response));
    const bodyBytes = isSized(method, asked) ? countBodyBytes(response) : () => undefined;

    let longRunningEnds = (): void => undefined;
    if (lasts) {
      onHeaders(response, () => {
        if (isServed(response)) longRunningEnds = metrics.longRunning(labels());
      });
    }
    onClose(request.socket, response, () => {
      const ended = performance.now();
      inflight?.fall(ended);
      longRunningEnds();
      const reported = labels();
      const { statusCode: code } = response;
      // Clients end a watch when they have seen enough.
      const isWhole = response.writableFinished || (lasts && response.headersSent);
      if (!isWhole) metrics.aborted(reported);
      // No such object or no such resource: where the resource was never served, nobody can tell.
      else if (code !== 404 || reported.resource !== other) {
        const seconds = (ended - started) / 1000;
        metrics.answered({
          labels: reported,
          isWatch: info.verb === 'watch',
          code,
          seconds,
          bodyBytes: bodyBytes(),
        });
      }
    });
    next();
  };
}

/** Whether the handler that answered knows the requested resource. */
function isServed({ headersSent, statusCode }: ServerResponse): boolean {
  return headersSent && statusCode < 400;
}

/** A method that is handed what it was called with, in whichever of its forms. */
type Passed<Result> = (...parameters: readonly unknown[]) => Result;

/** Counts the bytes that are written as the body, before any header or chunk framing. */
function countBodyBytes(response: ServerResponse): () => number {
  let bytes = 0;
  const count = ([chunk, encoding]: readonly unknown[]): void => {
    if (response.writableEnded) return;
    if (typeof chunk === 'string') {
      bytes += Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
    } else if (chunk instanceof Uint8Array) bytes += chunk.byteLength;
  };
  const write = response.write.bind(response) as Passed<boolean>;
  const end = response.end.bind(response) as Passed<ServerResponse>;
  response.write = (...parameters: readonly unknown[]) => {
    count(parameters);
    return write(...parameters);
  };
  response.end = (...parameters: readonly unknown[]) => {
    count(parameters);
    return end(...parameters);
  };
  // What has no body may be given one all the same, and Node leaves it out.
  return () => (response.statusCode === 204 || response.statusCode === 304 ? 0 : bytes);
}

/** Tells once that an answer has begun: its status is known and its headers are on their way. */
function onHeaders(response: ServerResponse, begun: () => void): void {
  const writeHead = response.writeHead.bind(response) as Passed<ServerResponse>;
  let isTold = false;
  response.writeHead = (...parameters: readonly unknown[]) => {
    const result = writeHead(...parameters);
    if (!isTold) begun();
    isTold = true;
    return result;
  };
}

/** What is still to be told of requests whose connection is busy with an earlier one's answer. */
const pipelined = new WeakMap<Socket, Set<() => void>>();

/**
 * Tells once that nothing more will be sent, be it that all was or that the client has gone. Node says so with
 * `close`, but not of an answer that has not had its turn on a connection that breaks.
 */
function onClose(socket: Socket, response: ServerResponse, closed: () => void): void {
  if (response.closed || response.destroyed) {
    closed();
    return;
  }
  const isWaiting = response.socket === null;
  if (!isWaiting) {
    response.once('close', closed);
    return;
  }
  const waiting = pipelined.get(socket) ?? waitingOn(socket);
  waiting.add(closed);
  response.once('close', () => {
    if (waiting.delete(closed)) closed();
  });
}

function waitingOn(socket: Socket): Set<() => void> {
  const waiting = new Set<() => void>();
  pipelined.set(socket, waiting);
  socket.once('close', () => {
    for (const closed of waiting) {
      waiting.delete(closed);
      closed();
    }
  });
  return waiting;
}

const mostResources = 100_000;

/** With the defaults in place. @throws ApiserverMetricsOptionError */
function validOptions({
  registry,
  resources,
  maxResources = 500,
  nonResourcePaths = healthPaths,
  ignorePaths = ['/metrics', '/metrics/*'],
  ...others
}: ApiserverMetricsOptions): BoundedLabelsOptions & {
  readonly registry: Registry;
  readonly namedPaths: ReadonlySet<string>;
  readonly isIgnored: PathMatcher;
} {
  const refuseUnless = (isGood: boolean, option: string, message: string): void => {
    if (!isGood) throw new ApiserverMetricsOptionError(option, message);
  };
  for (const option of Object.keys(others)) refuseUnless(false, option, 'there is no such option');
  refuseUnless(isRegistry(registry), 'registry', 'pass a prom-client Registry');
  const isNamed = resources === undefined || isList(resources, isResource);
  refuseUnless(isNamed, 'resources', 'pass a list of { group, version, resource, subresources? }');
  const isCount = Number.isInteger(maxResources) && maxResources >= 0 && maxResources <= mostResources;
  refuseUnless(isCount, 'maxResources', `pass an integer from 0 to ${mostResources}`);
  for (const [option, paths] of Object.entries({ nonResourcePaths, ignorePaths })) {
    refuseUnless(isList(paths, isPath), option, 'pass a list of paths that begin with /');
  }
  const namedPaths = new Set(nonResourcePaths);
  return { registry, resources, maxResources, namedPaths, isIgnored: matcherOf(ignorePaths) };
}

function matcherOf(paths: readonly string[]): PathMatcher {
  try {
    return pathPatterns(paths);
  } catch (error) {
    if (error instanceof AlwaysAllowPathError) {
      throw new ApiserverMetricsOptionError('ignorePaths', error.message);
    }
    throw error;
  }
}

function isRegistry(value: unknown): boolean {
  return typeof (value as { registerMetric?: unknown } | undefined)?.registerMetric === 'function';
}

function isList(value: unknown, isElement: (element: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isElement);
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('/');
}

function isResource(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { group, version, resource, subresources = [] } = value as Readonly<Record<string, unknown>>;
  return typeof group === 'string' && isWord(version) && isWord(resource) && isList(subresources, isWord);
}

/** A segment of a path. */
function isWord(value: unknown): boolean {
  return typeof value === 'string' && /^[^/]+$/.test(value);
}
