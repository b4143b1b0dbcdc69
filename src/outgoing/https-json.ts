import type { IncomingMessage } from 'node:http';
import { ApiConnectionError, ApiStatusError } from './api-error.js';
import type { ApiClient, ApiRequest, ApiResponse } from '../kubernetes/api-client.js';
import { connectionError } from './connection-fault.js';
import { exchange } from './exchange.js';
import { httpsUrl } from './https-url.js';
import { oneLine } from './one-line.js';
import { RequestEnd } from './request-end.js';
import { requestJson } from './request-json.js';
import { responseBody } from './response-body.js';
import { serverTrust } from './server-trust.js';
import { authoritiesFault } from './tls-material.js';
import { userAgent } from './user-agent.js';

export interface HttpsJsonOptions {
  /** PEM; the only authorities that may vouch for the server. Default: those of Node. */
  readonly authorities?: string | undefined;
  /** How long all of the answer may take, the connection included (ms). Default 10,000. */
  readonly timeoutMs?: number;
  /** The largest answer that is taken (bytes). Default 1 MiB. */
  readonly maxBytes?: number;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

const defaultTimeoutMs = 10_000;
const defaultMaxBytes = 1024 * 1024;
/** Of a URL in a message: some are found in documents from elsewhere. */
const maxUrlLength = 200;

/**
 * The JSON that stands at an https URL, over a connection of its own (TLS 1.2 or later). Redirects are not
 * followed, and no proxy is asked. Messages begin with the URL without its query, and quote nothing of an answer.
 *
 * @throws ApiConnectionError when no answer comes, or not all of it, or the URL is no https URL; ApiStatusError
 * when its status is not 200; ApiContentError when it is larger than `maxBytes`, or no JSON.
 */
export async function getHttpsJson(url: string, options: HttpsJsonOptions = {}): Promise<unknown> {
  const target = httpsUrl(url);
  if (target === undefined) throw new ApiConnectionError('the URL to ask is no https URL');
  const { origin, host, pathname } = target;
  const client: ApiClient = {
    server: oneLine(origin, maxUrlLength),
    host,
    send: (request) => send(target, request, options),
    close: () => undefined,
  };
  const request: ApiRequest = { method: 'GET', path: oneLine(pathname, maxUrlLength) };
  return requestJson(client, request, { maxBytes: options.maxBytes ?? defaultMaxBytes });
}

async function send(target: URL, { method }: ApiRequest, options: HttpsJsonOptions): Promise<ApiResponse> {
  const { authorities, timeoutMs = defaultTimeoutMs, signal } = options;
  const server = oneLine(`${target.origin}${target.pathname}`, maxUrlLength);
  const fault = authorities === undefined ? undefined : authoritiesFault(authorities);
  if (fault !== undefined) throw new ApiConnectionError(`${server}: the CA bundle ${fault}`);
  const end = new RequestEnd(server, timeoutMs, signal);
  let answer: IncomingMessage;
  try {
    answer = await exchange({ ...requestOptions(target, authorities), method, signal: end.signal });
  } catch (error) {
    end.release();
    throw end.reason ?? connectionError(server, error);
  }
  const { statusCode = 0 } = answer;
  if (statusCode !== 200) {
    end.release();
    answer.destroy();
    const redirect = statusCode >= 300 && statusCode < 400 ? ', and redirects are not followed' : '';
    throw new ApiStatusError(statusCode, { message: `${server}: the answer is ${statusCode}${redirect}` });
  }
  return { server, status: statusCode, body: responseBody(answer, server, end) };
}

function requestOptions({ hostname, port, pathname, search }: URL, authorities: string | undefined) {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    protocol: 'https:',
    host: address,
    port: port === '' ? 443 : port,
    path: `${pathname}${search}`,
    headers: { Accept: 'application/json', 'Accept-Encoding': 'identity', 'User-Agent': userAgent },
    // A connection of its own: it is asked for too seldom to keep one.
    agent: false as const,
    minVersion: 'TLSv1.2' as const,
    ...serverTrust(address, authorities),
  };
}
