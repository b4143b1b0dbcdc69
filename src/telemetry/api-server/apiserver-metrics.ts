import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { codedError } from '../../coded-error.js';
import { onceClosed } from '../../tell.js';
import { healthPaths, pathPatterns } from '../../paths/always-allow.js';
import { parseRequestTarget } from '../../paths/request-target.js';
import { queryParameters, requestInfo } from './request-info.js';
import {
  BoundedLabels,
  isLongRunning,
  isSized,
  other,
  requestKind,
  requestLabels,
  type InstrumentedResource,
} from './request-labels.js';
import {
  accepted,
  aFunction,
  aText,
  both,
  checkOptions,
  faultIn,
  having,
  listOf,
  must,
  optional,
  type Check,
} from '../../option-checks.js';
import { codeLabel, requestMetrics } from './request-metrics.js';
import { WorkspaceRequests } from './workspace-requests.js';

export interface ApiserverMetricsOptions {
  readonly registry: Registry;
  /**
   * The resources counted by name; every other is `other`. Default: those of requests that were served, up to
   * `maxResources`. List them if your paths only look like Kubernetes', such as `/api/users/42`.
   */
  readonly resources?: readonly InstrumentedResource[];
  /** How many resources and subresources may be learned. Default 500. */
  readonly maxResources?: number;
  /** Exact paths that are counted although they are not resources. Default: `/livez`, `/readyz`, `/healthz`. */
  readonly nonResourcePaths?: readonly string[];
  /**
   * Paths that are not counted at all: exact, or a prefix that ends in a single `*`. Default: `/metrics` and
   * everything below it, so that a scrape does not count itself.
   */
  readonly ignorePaths?: readonly string[];
  /**
   * Label of per-workspace metrics, by logical cluster, such as `cluster`: `apiserver_workspace_request_total` and its
   * like. Default: there are none.
   */
  readonly workspaceLabel?: string;
  /** How many workspaces are counted by name; all others under an empty one. Default 10,000. */
  readonly maxWorkspaces?: number;
  /**
   * The name of the logical cluster that answered a request, undefined where none did; called when the answer is out. Pass
   * it where workspaces are asked for by their paths, or a workspace that does not exist is answered as if it did: the
   * default takes the name in the path of every request for a resource that was served.
   */
  readonly workspaceOf?: (request: IncomingMessage, response: ServerResponse) => string | undefined;
}

/** An invalid option; the message names it and says what to pass instead. */
export class ApiserverMetricsOptionError extends codedError(
  'ApiserverMetricsOptionError',
  'ERR_APISERVER_METRICS_OPTION',
) {
  constructor(
    readonly option: string,
    message: string,
  ) {
    super(`${option}: ${message}`);
  }
}

/** For Express 4, Express 5, connect and a bare `http.Server`. */
type InstrumentationMiddleware = (
  request: IncomingMessage & { readonly originalUrl?: string },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Counts and times the requests of an HTTP server as Kubernetes' API servers count theirs: `apiserver_request_total`
 * and its companions, with the labels that their dashboards and rules use. Mounted behind the guards it counts what
 * Kubernetes counts, which leaves out the 401 and 403 of its filters; mounted before them, it counts those as well.
 * @throws ApiserverMetricsOptionError for a wrong option, Error where the registry already holds one of the names.
 */
export function apiserverMetrics(options: ApiserverMetricsOptions): InstrumentationMiddleware {
  checkOptions(options, {});
  const fault = faultIn(options, checks, 'there is no such option');
  if (fault !== undefined) throw new ApiserverMetricsOptionError(...fault);
  const { registry, resources, maxResources = 500, nonResourcePaths = healthPaths } = options;
  const { ignorePaths = ['/metrics', '/metrics/*'], workspaceLabel, maxWorkspaces = 10_000 } = options;
  const metrics = requestMetrics(registry);
  const workspaces =
    workspaceLabel === undefined
      ? undefined
      : new WorkspaceRequests(registry, workspaceLabel, maxWorkspaces, options.workspaceOf);
  const bounded = new BoundedLabels(resources, maxResources);
  const namedPaths = new Set(nonResourcePaths);
  const isIgnored = pathPatterns(ignorePaths);

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
      // Kubernetes reports only resources and health checks.
      if (inflight !== undefined)
        onceClosed(request.socket, response, () => {
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
    onceClosed(request.socket, response, () => {
      const ended = performance.now();
      inflight?.fall(ended);
      longRunningEnds();
      const reported = labels();
      const { statusCode: code } = response;
      // It is normal for a client to end a watch.
      const isWhole = response.writableFinished || (lasts && response.headersSent);
      if (!isWhole) {
        metrics.aborted(reported);
        return;
      }
      const answered = { seconds: (ended - started) / 1000, bodyBytes: bodyBytes() };
      workspaces?.answered(request, response, {
        ...answered,
        path: target?.path ?? '',
        isServedResource: info.isResourceRequest && isServed(response),
        code: codeLabel(code),
      });
      // No such object, or no such resource: unknown, if the resource was never served.
      if (code !== 404 || reported.resource !== other)
        metrics.answered({ ...answered, labels: reported, isWatch: info.verb === 'watch', code });
    });
    next();
  };
}

/** Whether the handler that answered knows the requested resource. */
function isServed({ headersSent, statusCode }: ServerResponse): boolean {
  return headersSent && statusCode < 400;
}

/** A method that takes its arguments in several forms. */
type Passed<Result> = (...parameters: readonly unknown[]) => Result;

/** Counts the bytes of the body, without headers and chunk framing. */
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
  // Node leaves out a body that is written although the answer has none.
  return () => (response.statusCode === 204 || response.statusCode === 304 ? 0 : bytes);
}

/** Calls once when an answer has begun: its status is known and its headers are being sent. */
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

const most = 100_000;
const aCount = must(
  `an integer from 0 to ${most}`,
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most,
);
const aPath = must('a path', (value) => typeof value === 'string' && value.startsWith('/'));
const paths = listOf('paths that begin with /', aPath);
/** A segment of a path. */
const aWord = must('a word', (value) => typeof value === 'string' && /^[^/]+$/.test(value));
const aResource = must('a resource', (value) => {
  if (typeof value !== 'object' || value === null) return false;
  const { group, version, resource, subresources = [] } = value as Readonly<Record<string, unknown>>;
  const faults = [aText(group), aWord(version), aWord(resource), listOf('words', aWord)(subresources)];
  return faults.every((fault) => fault === undefined);
});
const labelName = /^(?!__|le$|code$)[a-zA-Z_][a-zA-Z0-9_]{0,255}$/;

const checks: Readonly<Record<keyof ApiserverMetricsOptions, Check>> = {
  registry: having('a prom-client Registry', 'registerMetric'),
  resources: optional(listOf('{ group, version, resource, subresources? }', aResource)),
  maxResources: optional(aCount),
  workspaceLabel: optional(
    must(
      'the name of a label, such as cluster',
      (value) => typeof value === 'string' && labelName.test(value),
    ),
  ),
  maxWorkspaces: optional(aCount),
  workspaceOf: optional(aFunction),
  nonResourcePaths: optional(paths),
  ignorePaths: optional(both(paths, accepted(pathPatterns))),
};
