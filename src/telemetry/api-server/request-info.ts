/** Kubernetes' RequestInfo: what a method and a path mean to an API server. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  /** Decoded, and without the scope (`/clusters/<logical cluster>`) before it. */
  readonly path: string;
  /** `get`, `list`, `watch`, `create` …; for a request without a resource, the lower-cased method. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
}

const scopePrefix = /^(?:\/services\/cache)?(?:\/shards\/[^/]+)?(?:\/clusters\/[^/]+)?(?=\/|$)/;
const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize']);
const resourceVerbs: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

const noResource = { group: '', version: '', namespace: '', resource: '', subresource: '', name: '' };

/**
 * Reads a request as Kubernetes' RequestInfoFactory does (k8s.io/apiserver, pkg/endpoints/request), with
 * `/api/<version>` and `/apis/<group>/<version>` as the prefixes of resources. kcp's scopes are removed first, as in
 * kcp.
 */
export function requestInfo(method: string, scopedPath: string, query: QueryParameters): RequestInfo {
  const path = scopedPath.replace(scopePrefix, '');
  const [prefix, ...parts] = segments(path);
  const isGroupless = prefix === 'api';
  if ((!isGroupless && prefix !== 'apis') || parts.length < (isGroupless ? 2 : 3)) {
    return { isResourceRequest: false, path, verb: method.toLowerCase(), ...noResource };
  }
  const [group, version, ...rest] = isGroupless ? ['', ...parts] : parts;
  const [first] = rest;
  const verbInPath = first === 'watch' || first === 'proxy' ? first : undefined;
  const verb = verbInPath ?? resourceVerbs.get(method) ?? '';
  const { namespace, object } = withoutNamespace(verbInPath === undefined ? rest : rest.slice(1));
  const [resource = '', named = '', subresource = ''] = object;
  return {
    isResourceRequest: true,
    path,
    verb: named === '' ? collectionVerb(verb, query) : verb,
    group: group ?? '',
    version: version ?? '',
    namespace,
    resource,
    subresource: verb === 'proxy' ? '' : subresource,
    name: named === '' && verb === 'get' ? query.selectedName : named,
  };
}

/** The segments that may mean something: the ninth is the subresource of the longest form. */
function segments(path: string): readonly string[] {
  let start = 0;
  let end = path.length;
  while (path[start] === '/') start += 1;
  while (end > start && path[end - 1] === '/') end -= 1;
  return path.slice(start, end).split('/', 9);
}

/** `namespaces/x/pods/y` is a pod in a namespace; `namespaces/x` and `namespaces/x/status` are the namespace. */
function withoutNamespace(parts: readonly string[]) {
  if (parts[0] !== 'namespaces') return { namespace: '', object: parts };
  const [, namespace = '', kind] = parts;
  const isNamespaced = kind !== undefined && !namespaceSubresources.has(kind);
  return { namespace, object: isNamespaced ? parts.slice(2) : parts };
}

/** The verb for a path that names no single object. */
function collectionVerb(verb: string, { watches }: QueryParameters): string {
  if (verb === 'get') return watches ? 'watch' : 'list';
  return verb === 'delete' ? 'deletecollection' : verb;
}

/** The query parameters that Kubernetes' labels depend on. */
export interface QueryParameters {
  /** Whether `watch` is present and neither `0` nor `false`. */
  readonly watches: boolean;
  /** `dryRun` as Kubernetes labels it. */
  readonly dryRun: '' | 'All' | 'invalid';
  /** The object that a field selector for `metadata.name` selects; empty without one. */
  readonly selectedName: string;
}

const none: QueryParameters = { watches: false, dryRun: '', selectedName: '' };
const relevant = /watch|dryRun|fieldSelector|%/;
const exactName = /^metadata\.name==?([^=!\\/%]+)$/;

/** Reads a raw query, with or without its `?`. Most contain nothing of interest and are not parsed. */
export function queryParameters(query: string): QueryParameters {
  if (query === '' || !relevant.test(query)) return none;
  const parameters = new URLSearchParams(query);
  const watch = parameters.get('watch')?.toLowerCase();
  const dryRuns = parameters.getAll('dryRun');
  return {
    watches: watch !== undefined && watch !== '0' && watch !== 'false',
    dryRun: dryRuns.length === 0 ? '' : dryRuns.every((value) => value === 'All') ? 'All' : 'invalid',
    selectedName: selectedName(parameters.get('fieldSelector') ?? ''),
  };
}

function selectedName(fieldSelector: string): string {
  for (const term of fieldSelector.split(',')) {
    const name = exactName.exec(term)?.[1];
    if (name !== undefined) return name === '.' || name === '..' ? '' : name;
  }
  return '';
}
