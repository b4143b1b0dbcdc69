import { jsonOf, type JsonAnswer } from '../outgoing/json-answer.js';

/** One request to an API server, below the client's base path. */
export interface ApiRequest {
  readonly method: 'GET' | 'PATCH' | 'POST';
  /** From the API's root: `/apis/rbac.authorization.k8s.io/v1/clusterroles`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: { readonly contentType: string; readonly json: unknown };
  /** How long the answer's headers may take, credentials and connection included (ms). Default 30,000. */
  readonly timeoutMs?: number;
  /** Ends the request, and the answer's body where it is still being read. */
  readonly signal?: AbortSignal;
  /** Runs no exec plugin: goes with what that gave before, or without. Default false. */
  readonly isProbe?: boolean;
}

/**
 * An answer whose headers have come. Its body has to be read, or the request's signal aborted; it rejects with
 * ApiConnectionError where the connection breaks in the middle.
 */
export interface ApiResponse extends JsonAnswer {
  /** Who answered, as in ApiClient: a kubeconfig may come to name another server between two requests. */
  readonly server: string;
  /** How many times the kubeconfig had changed, with the files that it names, when it was asked. */
  readonly revision?: number;
}

/** Requests to one API server, with the credentials of a kubeconfig. */
export interface ApiClient {
  /** `https://host:port/base/path`, without credentials: for messages and to tell servers apart. */
  readonly server: string;
  /** `host:port`, for metric labels. */
  readonly host: string;
  /** @throws ApiConnectionError when no answer comes; any status resolves. */
  send(request: ApiRequest): Promise<ApiResponse>;
  /** Ends idle connections; requests under way are ended by their signals. */
  close(): void;
}

/** What is told of each request, for `rest_client_*` metrics. */
export interface RequestObservation {
  readonly method: string;
  readonly host: string;
  /** The status, or `<error>` where none came. */
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
