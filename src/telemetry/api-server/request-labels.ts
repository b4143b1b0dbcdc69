import type { QueryParameters } from './query-parameters.js';
import type { RequestInfo } from './request-info.js';

/** Kubernetes' labels of a request, beside the status code. */
export interface RequestLabels {
  readonly verb: string;
  readonly dry_run: QueryParameters['dryRun'];
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: '' | 'cluster' | 'namespace' | 'resource';
  readonly component: '' | 'apiserver';
}

/** Stands for what is not told apart. */
export const other = 'other';

const verbs: ReadonlySet<string> = new Set([
  'APPLY',
  'CONNECT',
  'CREATE',
  'DELETE',
  'DELETECOLLECTION',
  'GET',
  'LIST',
  'PATCH',
  'POST',
  'PROXY',
  'PUT',
  'UPDATE',
  'WATCH',
]);
const connections: ReadonlySet<string> = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);
/** The sizes of their answers are observed; a stream of a connection has none. */
const sizedVerbs: ReadonlySet<string> = new Set(['GET', 'LIST', 'WATCH']);

export interface LabelledRequest {
  readonly method: string;
  readonly contentType: string | undefined;
  readonly query: QueryParameters;
  readonly info: RequestInfo;
}

/**
 * The labels that Kubernetes' MonitorRequest reports (k8s.io/apiserver, pkg/endpoints/metrics). Those of a
 * resource request hold what the client sent; `BoundedLabels` stands behind. Of other requests Kubernetes reports
 * those for the named paths alone.
 */
export function requestLabels(request: LabelledRequest, namedPaths: ReadonlySet<string>): RequestLabels {
  const { info, query } = request;
  const scope = scopeOf(info);
  const isNamed = !info.isResourceRequest && namedPaths.has(info.path);
  // Written out: objects that grow by spreading cost prom-client, which reads them, several times as much.
  return {
    verb: reportedVerb(request, scope),
    dry_run: query.dryRun,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: isNamed ? info.path : info.subresource,
    scope,
    component: isNamed ? '' : 'apiserver',
  };
}

function scopeOf({ isResourceRequest, verb, name, namespace }: RequestInfo): RequestLabels['scope'] {
  if (name !== '' || verb === 'create') return 'resource';
  if (namespace !== '') return 'namespace';
  return isResourceRequest ? 'cluster' : '';
}

function reportedVerb({ method, contentType, query, info }: LabelledRequest, scope: string): string {
  if (info.verb === 'watch') return 'WATCH';
  if (info.isResourceRequest && connections.has(info.subresource)) return 'CONNECT';
  if (method === 'GET' && query.watches) return 'WATCH';
  if (method === 'GET' || method === 'HEAD') return scope === 'resource' || scope === '' ? 'GET' : 'LIST';
  if (method === 'PATCH' && contentType === 'application/apply-patch+yaml') return 'APPLY';
  return verbs.has(method) ? method : other;
}

/** Whether a request is meant to last: Kubernetes counts it among the long-running and not as in flight. */
export function isLongRunning({ isResourceRequest, verb, subresource, path }: RequestInfo): boolean {
  if (verb === 'watch' || verb === 'proxy') return true;
  return isResourceRequest ? connections.has(subresource) : path.startsWith('/debug/pprof/');
}

/** Kubernetes' `request_kind`; but a HEAD, of whatever, changes nothing. */
export function requestKind({ verb }: RequestInfo): 'mutating' | 'readOnly' {
  return ['get', 'list', 'watch', 'head'].includes(verb) ? 'readOnly' : 'mutating';
}

/** Whether Kubernetes observes the size of the answer. A HEAD has no body to measure. */
export function isSized(method: string, { verb }: RequestLabels): boolean {
  return method !== 'HEAD' && sizedVerbs.has(verb);
}
