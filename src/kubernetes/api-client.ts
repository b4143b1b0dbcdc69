import { jsonOf, type JsonAnswer } from '../outgoing/json-answer.js';

/** One request to an API server, below the client's base path. */
export interface ApiRequest {
  readonly method: 'GET' | 'PATCH' | 'POST';
  /** From the API's root: `/apis/rbac.authorization.k8s.io/v1/clusterroles`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: { readonly contentType: string; readonly json: unknown };
  /** Content types. Default: `application/json`. */
  readonly accept?: string;
  /** How long the answer's headers may take, credentials and connection included (ms). Default 30,000. */
  readonly timeoutMs?: number;
  /** Ends the request, and the answer's body where it is still being read. */
  readonly signal?: AbortSignal;
  /** Run no exec plugin: use its last credential, or none. Default false. */
  readonly isProbe?: boolean;
}

/**
 * An answer whose headers have come. Read its body, or abort the request's signal; reading rejects with
 * ApiConnectionError if the connection breaks.
 */
export interface ApiResponse extends JsonAnswer {
  /** The server that answered, as in ApiClient: a kubeconfig may name another one at the next request. */
  readonly server: string;
  /** How many times the kubeconfig, or a file that it names, had changed before the request. */
  readonly revision?: number;
  /** Empty or absent where the server says none. */
  readonly contentType?: string;
}

/** Requests to one API server, with the credentials of a kubeconfig. */
export interface ApiClient {
  /** `https://host:port/base/path`, without credentials: for messages and to tell servers apart. */
  readonly server: string;
  /** `host:port`, for metric labels. */
  readonly host: string;
  /** @throws ApiConnectionError when no answer comes; any status resolves. */
  send(request: ApiRequest): Promise<ApiResponse>;
  /** Closes idle connections; requests in progress are aborted by their signals. */
  close(): void;
}

/** One request, for `rest_client_*` metrics. */
export interface RequestObservation {
  readonly method: string;
  readonly host: string;
  /** The status, or `<error>` without an answer. */
  readonly code: string;
  /** Until the answer's headers; undefined for a watch, which Kubernetes' clients do not time either. */
  readonly seconds: number | undefined;
}

const defaultMaxBytes = 64 * 1024 * 1024;

/**
 * The JSON of an answer, which is read as a whole: at most `maxBytes` (default 64 MiB).
 *
 * @throws ApiConnectionError when no answer comes, or not all of it; ApiStatusError when it is no success;
 * ApiContentError when it is larger than `maxBytes`, or no JSON.
 */
export async function requestJson(
  client: Pick<ApiClient, 'send' | 'server'>,
  request: ApiRequest,
  { maxBytes = defaultMaxBytes }: { readonly maxBytes?: number } = {},
): Promise<unknown> {
  const what = `${client.server}: the answer to ${request.method} ${request.path}`;
  return jsonOf(await client.send(request), what, maxBytes);
}
