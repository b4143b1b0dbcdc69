import type { OutgoingHttpHeaders } from 'node:http';
import { parseRetryAfter } from '../../outgoing/backoff.js';
import { ConnectionPool } from '../../outgoing/connection-pool.js';
import { exchange, userAgent } from '../../outgoing/exchange.js';
import { ApiConnectionError, connectionError } from '../../outgoing/outgoing-errors.js';
import { RequestEnd, responseBody } from '../../outgoing/request-end.js';
import { portOf } from '../../outgoing/server-trust.js';
import { tell } from '../../tell.js';
import type { ApiClient, ApiRequest, ApiResponse, RequestObservation } from '../api-client.js';
import { type ExecCredential, type ExecPlugin, ExecCredentials } from '../exec/exec-plugin.js';
import { ExecPluginError } from '../kubernetes-errors.js';
import { connectionOptions, requireClientNode } from './kubeconfig-connections.js';
import { thisPod, type Pod } from './in-cluster.js';
import { type Kubeconfig, KubeconfigFile } from './kubeconfig.js';
import { aFunction, aText, checkOptions, milliseconds, optional } from '../../option-checks.js';

export interface OpenApiClientOptions {
  /**
   * The file; its current context counts. Followed as it changes, with every file that it names. `in-cluster` is the
   * service account of the pod that this runs in; its token and authorities are followed, too.
   */
  readonly kubeconfig: string;
  /** Maps the server's path, such as `/clusters/root`, to the base path of all requests. Default: unchanged. */
  readonly basePath?: (serverPath: string) => string;
  /** What is wrong with such a path, if anything: then the kubeconfig is not used, nor followed. Default: nothing. */
  readonly pathFault?: ((basePath: string) => string | undefined) | undefined;
  /** How long an exec plugin may run (ms). Default 30,000. */
  readonly execTimeoutMs?: number;
  /** Called for each request, when its answer's headers have come or it has failed. */
  readonly onRequest?: (observation: RequestObservation) => void;
  /** Called once with each reason why a later version of the kubeconfig cannot be used. */
  readonly onWarning?: (message: string) => void;
}

/**
 * A client of the API server of a kubeconfig's current context. Nothing is sent yet.
 *
 * @throws KubeconfigError for every fault that is known before a request; KubernetesClientMissingError.
 */
export function openApiClient(options: OpenApiClientOptions): Promise<ApiClient> {
  return openApiClientIn(thisPod, options);
}

/** The same in another pod. */
export async function openApiClientIn(pod: Pod, options: OpenApiClientOptions): Promise<ApiClient> {
  checkOptions(options, {
    kubeconfig: aText,
    basePath: optional(aFunction),
    pathFault: optional(aFunction),
    execTimeoutMs: optional(milliseconds(1)),
  });
  const warn = (message: string): void => {
    tell(owner, options.onWarning, message);
  };
  const file = await KubeconfigFile.open(options.kubeconfig, warn, pod, (kubeconfig) =>
    options.pathFault?.(basePathOf(kubeconfig, options)),
  );
  await requireClientNode();
  const client = new KubeconfigClient(file, options);
  await client.prepare();
  return client;
}

/** Of requests and exec plugins (ms). */
const defaultTimeoutMs = 30_000;
const owner = 'the API client';

/** What requests are sent with for as long as the kubeconfig, and what its exec plugin gave, stay the same. */
interface Connection {
  readonly kubeconfig: Kubeconfig;
  /** How many there were before this one. */
  readonly revision: number;
  readonly execCredential: ExecCredential | undefined;
  readonly options: Awaited<ReturnType<typeof connectionOptions>>;
}

class KubeconfigClient implements ApiClient {
  readonly #pool = new ConnectionPool();
  readonly #execCredentials: ExecCredentials;
  #isClosed = false;
  #latest: Connection | undefined;

  constructor(
    private readonly file: KubeconfigFile,
    private readonly options: OpenApiClientOptions,
  ) {
    this.#execCredentials = new ExecCredentials(options.execTimeoutMs ?? defaultTimeoutMs);
  }

  /** Makes what the first request needs, which takes milliseconds of the event loop: now rather than then. */
  async prepare(): Promise<void> {
    const { current } = this.file;
    // The request itself tells why it fails.
    if (current.user.credentials.kind !== 'exec') await this.#connection(current).catch(() => undefined);
  }

  get server(): string {
    return this.#addressIn(this.file.current).server;
  }

  get host(): string {
    return this.#addressIn(this.file.current).host;
  }

  async send(request: ApiRequest): Promise<ApiResponse> {
    const startedAt = performance.now();
    let code = '<error>';
    try {
      const response = await this.#send(request);
      code = String(response.status);
      return response;
    } finally {
      const isWatch = request.query?.['watch'] === 'true';
      const seconds = isWatch ? undefined : (performance.now() - startedAt) / 1000;
      tell(owner, this.options.onRequest, { method: request.method, host: this.host, code, seconds });
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#pool.close();
    this.#execCredentials.close();
  }

  async #send(request: ApiRequest): Promise<ApiResponse> {
    const { server } = this;
    if (this.#isClosed) throw new ApiConnectionError(`${server}: the client is closed`);
    const { timeoutMs = defaultTimeoutMs } = request;
    const end = new RequestEnd(server, timeoutMs, request.signal);
    try {
      const connection = await end.unlessReached(this.#connect(request));
      const { kubeconfig, revision, execCredential, options } = connection;
      const { basePath, server: asked } = this.#addressIn(kubeconfig);
      const answer = await exchange({
        ...options,
        ...messageOf(request, basePath, options.headers),
        end,
      });
      end.headersCame();
      if (answer.statusCode === 401 && execCredential !== undefined && request.isProbe !== true) {
        this.#execCredentials.drop(execCredential);
      }
      return {
        server: asked,
        revision,
        status: answer.statusCode ?? 0,
        retryAfterMs: parseRetryAfter(answer.headers['retry-after']),
        contentType: answer.headers['content-type'] ?? '',
        body: responseBody(answer, asked, end),
      };
    } catch (error) {
      end.release();
      throw end.reason ?? connectionError(server, error);
    }
  }

  /** Checks for changes and returns what the next request needs. */
  async #connect({ isProbe = false }: ApiRequest): Promise<Connection> {
    const kubeconfig = await this.file.refresh();
    const { credentials } = kubeconfig.user;
    const execCredential =
      credentials.kind === 'exec' ? await this.#execCredential(credentials.plugin, isProbe) : undefined;
    return this.#connection(kubeconfig, execCredential);
  }

  async #connection(kubeconfig: Kubeconfig, execCredential?: ExecCredential): Promise<Connection> {
    const latest = this.#latest;
    if (latest?.kubeconfig === kubeconfig && latest.execCredential === execCredential) return latest;
    const options = await connectionOptions(this.#pool, kubeconfig, execCredential);
    const { revision = 0, kubeconfig: before = kubeconfig } = this.#latest ?? {};
    const isNew = before !== kubeconfig;
    this.#latest = { kubeconfig, revision: isNew ? revision + 1 : revision, execCredential, options };
    return this.#latest;
  }

  async #execCredential(plugin: ExecPlugin, isProbe: boolean): Promise<ExecCredential | undefined> {
    if (isProbe) return this.#execCredentials.last(plugin);
    return this.#execCredentials.get(plugin).catch((error: unknown) => {
      if (!(error instanceof ExecPluginError)) throw error;
      throw new ApiConnectionError(`${this.server}: ${error.message}`, error.code);
    });
  }

  /** Where requests go, without credentials; `basePath` is empty, or begins with a slash and ends with none. */
  #addressIn(kubeconfig: Kubeconfig) {
    const url = new URL(kubeconfig.cluster.server);
    const host = `${url.hostname}:${portOf(url)}`;
    const basePath = basePathOf(kubeconfig, this.options);
    return { server: `${url.protocol}//${host}${basePath}`, host, basePath };
  }
}

function messageOf(
  { method, path, query, body, accept = 'application/json' }: ApiRequest,
  basePath: string,
  credentials: OutgoingHttpHeaders,
) {
  const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
  const content = body && JSON.stringify(body.json);
  const headers = {
    ...credentials,
    Accept: accept,
    'Accept-Encoding': 'identity',
    'User-Agent': userAgent,
    ...(content !== undefined && {
      'Content-Type': body?.contentType,
      'Content-Length': Buffer.byteLength(content),
    }),
  };
  return { method, path: `${basePath}${path}${search}`, headers, content };
}

function basePathOf({ cluster }: Kubeconfig, { basePath }: Pick<OpenApiClientOptions, 'basePath'>): string {
  const serverPath = trimmed(new URL(cluster.server).pathname);
  return trimmed(basePath?.(serverPath) ?? serverPath);
}

function trimmed(path: string): string {
  const bare = path.replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `/${bare}`;
}
