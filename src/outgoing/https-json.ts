import { exchange, userAgent } from './exchange.js';
import { jsonOf } from './json-answer.js';
import { oneLine } from '../documents/one-line.js';
import { ApiConnectionError, ApiStatusError, connectionError } from './outgoing-errors.js';
import { RequestEnd, responseBody } from './request-end.js';
import { hostOf, portOf, serverTrust } from './server-trust.js';
import { authoritiesFault } from './tls-material.js';

export interface HttpsJsonOptions {
  /** PEM bundle of the trusted CAs. Default: those of Node. */
  readonly authorities?: string | undefined;
  /** How long the whole answer may take, including the connection (ms). Default 10,000. */
  readonly timeoutMs?: number;
  /** The largest answer accepted (bytes). Default 1 MiB. */
  readonly maxBytes?: number;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

const maxUrlLength = 2_048;
/** For messages: some URLs come from other servers' documents. */
const maxShownLength = 200;

/**
 * An absolute https URL without user name, password and fragment, at most 2,048 characters long; undefined for
 * anything else, plain http on a loopback address included.
 */
export function httpsUrl(text: string): URL | undefined {
  // The parser would ignore blanks at the ends, and line ends and tabs anywhere.
  if (text.length > maxUrlLength || !/^https:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text))
    return undefined;
  const url = new URL(text);
  const { username, password } = url;
  return username === '' && password === '' && !text.includes('#') ? url : undefined;
}

/**
 * Gets the JSON at an https URL, over a connection of its own (TLS 1.2 or later). Redirects are not followed, and no
 * proxy is used. Messages begin with the URL without its query and quote nothing of the answer.
 *
 * @throws ApiConnectionError if there is no complete answer, or the URL is not https; ApiStatusError if its status is
 * not 200; ApiContentError if it is larger than `maxBytes` or not JSON.
 */
export async function getHttpsJson(url: string, options: HttpsJsonOptions = {}): Promise<unknown> {
  const { authorities, timeoutMs = 10_000, maxBytes = 1024 * 1024, signal } = options;
  const target = httpsUrl(url);
  if (target === undefined) throw new ApiConnectionError('the URL to ask is no https URL');
  const { origin, pathname } = target;
  const server = oneLine(`${origin}${pathname}`, maxShownLength);
  const fault = authorities === undefined ? undefined : authoritiesFault(authorities);
  if (fault !== undefined) throw new ApiConnectionError(`${server}: the CA bundle ${fault}`);
  const end = new RequestEnd(server, timeoutMs, signal);
  const host = hostOf(target);
  const answer = await exchange({
    method: 'GET',
    protocol: 'https:',
    host,
    port: portOf(target),
    path: `${pathname}${target.search}`,
    headers: { Accept: 'application/json', 'Accept-Encoding': 'identity', 'User-Agent': userAgent },
    // Requests are too rare to keep the connection.
    agent: false,
    minVersion: 'TLSv1.2',
    ...serverTrust(host, authorities),
    end,
  }).catch((error: unknown) => {
    end.release();
    throw end.reason ?? connectionError(server, error);
  });
  const { statusCode: status = 0 } = answer;
  if (status !== 200) {
    end.release();
    answer.destroy();
    const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    throw new ApiStatusError(status, { message: `${server}: the answer is ${status}${redirect}` });
  }
  const shown = [origin, pathname].map((text) => oneLine(text, maxShownLength));
  const what = shown.join(': the answer to GET ');
  return jsonOf({ status, body: responseBody(answer, server, end) }, what, maxBytes);
}
