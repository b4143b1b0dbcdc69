import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseRequestTarget } from '../../paths/request-target.js';
import { validOptions, type ApiserverMetricsOptions } from './apiserver-metrics-options.js';
import { BoundedLabels } from './bounded-labels.js';
import { queryParameters } from './query-parameters.js';
import { requestInfo } from './request-info.js';
import { isLongRunning, isSized, other, requestKind, requestLabels } from './request-labels.js';
import { RequestMetrics } from './request-metrics.js';
import { countBodyBytes, onClose, onHeaders } from './response-observation.js';

/** Fits Express 4, Express 5, connect and a bare `http.Server` alike. */
export type InstrumentationMiddleware = (
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
  const metrics = new RequestMetrics(registry);
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

/** Whether somebody answered who knows what was asked for. */
function isServed({ headersSent, statusCode }: ServerResponse): boolean {
  return headersSent && statusCode < 400;
}
