import type { RequestInfo, QueryParameters } from './request-info.js';

/** Kubernetes' labels of a request, except the status code. */
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

interface LabelledRequest {
  readonly method: string;
  readonly contentType: string | undefined;
  readonly query: QueryParameters;
  readonly info: RequestInfo;
}

/** The label of everything that is not counted by name. */
export const other = 'other';

const verbs: ReadonlySet<string> = new Set([
  ...['APPLY', 'CONNECT', 'CREATE', 'DELETE', 'DELETECOLLECTION', 'GET', 'LIST', 'PATCH', 'POST', 'PROXY'],
  ...['PUT', 'UPDATE', 'WATCH'],
]);
const connections: ReadonlySet<string> = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);
/** Verbs whose answer sizes are observed; a connection's stream has none. */
const sizedVerbs: ReadonlySet<string> = new Set(['GET', 'LIST', 'WATCH']);

/**
 * The labels that Kubernetes' MonitorRequest reports (k8s.io/apiserver, pkg/endpoints/metrics). Those of a
 * resource request hold what the client sent, and `BoundedLabels` bounds them. Of other requests Kubernetes reports
 * only those for the named paths.
 */
export function requestLabels(request: LabelledRequest, namedPaths: ReadonlySet<string>): RequestLabels {
  const { info, query } = request;
  const scope = scopeOf(info);
  const isNamed = !info.isResourceRequest && namedPaths.has(info.path);
  // Written out: prom-client reads objects built by spreading several times more slowly.
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

/** Whether Kubernetes counts a request as long-running rather than as in flight. */
export function isLongRunning({ isResourceRequest, verb, subresource, path }: RequestInfo): boolean {
  if (verb === 'watch' || verb === 'proxy') return true;
  return isResourceRequest ? connections.has(subresource) : path.startsWith('/debug/pprof/');
}

/** Kubernetes' `request_kind`, except that any HEAD is read-only. */
export function requestKind({ verb }: RequestInfo): 'mutating' | 'readOnly' {
  return ['get', 'list', 'watch', 'head'].includes(verb) ? 'readOnly' : 'mutating';
}

/** Whether Kubernetes observes the size of the answer. A HEAD has no body. */
export function isSized(method: string, { verb }: RequestLabels): boolean {
  return method !== 'HEAD' && sizedVerbs.has(verb);
}

/** A resource that is counted by name, with its subresources. */
export interface InstrumentedResource {
  /** Empty for the group of `/api`. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresources?: readonly string[];
}

type NamedResource = Pick<RequestLabels, 'group' | 'version' | 'resource' | 'subresource'>;

/** All label sets together, however many verbs, scopes and dry runs are tried: each is some fifty lines. */
const maxLabelSets = 4000;
/** How many of them may come from refused requests, which anyone can send. */
const maxRefused = 500;
/** The key of a resource whose names have a length and characters that Kubernetes allows. */
const plainKey = /^[\w.-]{0,253}\/[\w.-]{1,63}\/[\w.-]{1,63}\/[\w.-]{0,63}$/;

/**
 * Keeps clients from growing the registry. A resource that is not known is `other` in all four labels. Only a request
 * that was served makes it known, so refused requests add no names.
 */
export class BoundedLabels {
  readonly #resources = new Set<string>();
  readonly #labelSets = new Map<string, RequestLabels>();
  readonly #room: number;
  #refused = 0;

  /**
   * @param resources all that are counted by name. Without them, resources are learned from requests that were served.
   * @param maxResources that may be learned, a subresource counting as one.
   */
  constructor(resources: readonly InstrumentedResource[] | undefined, maxResources: number) {
    for (const { group, version, resource, subresources = [] } of resources ?? []) {
      for (const subresource of ['', ...subresources]) {
        this.#resources.add(resourceKey({ group, version, resource, subresource }));
      }
    }
    this.#room = resources === undefined ? maxResources : 0;
  }

  /** The labels to report; the same object for the same labels. */
  of(labels: RequestLabels, isResourceRequest: boolean, wasServed: boolean): RequestLabels {
    const resource = resourceKey(labels);
    const labelSet = `${labels.component} ${labels.verb} ${labels.scope} ${labels.dry_run} ${resource}`;
    const reported = this.#labelSets.get(labelSet);
    if (reported !== undefined) return reported;
    if (isResourceRequest) {
      const hasRoom = this.#labelSets.size < maxLabelSets && (wasServed || this.#refused < maxRefused);
      if (!hasRoom || !this.#isKnown(resource, wasServed)) {
        const unknown = { group: other, version: other, resource: other, subresource: other };
        return this.of({ ...labels, ...unknown }, false, wasServed);
      }
      if (!wasServed) this.#refused += 1;
    }
    this.#labelSets.set(labelSet, labels);
    return labels;
  }

  #isKnown(key: string, wasServed: boolean): boolean {
    if (this.#resources.has(key)) return true;
    if (!wasServed || this.#resources.size >= this.#room || !plainKey.test(key)) return false;
    this.#resources.add(key);
    return true;
  }
}

function resourceKey({ group, version, resource, subresource }: NamedResource): string {
  return `${group}/${version}/${resource}/${subresource}`;
}
