import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { packageVersion } from '../own-package.js';
import { closeIdleConnections, probeWhenSilent } from './connection-pool.js';
import type { RequestEnd } from './request-end.js';

export const userAgent = `kcp-metrics-filter/${packageVersion}`;

export type BodyWriter = (request: ClientRequest) => void;

interface ExchangeOptions extends RequestOptions {
  /** The request's body, or what writes it and ends the request. */
  readonly content?: string | BodyWriter | undefined;
  /** Ends the request, and the reading of the answer's body. */
  readonly end: RequestEnd;
}

/**
 * Sends one request; resolves when the answer's headers have come. A server may close a kept connection just as it is
 * used again, so a GET that fails this way is sent once more; not one with a body that is written only once.
 */
export async function exchange(options: ExchangeOptions): Promise<IncomingMessage> {
  const first = await attempt(options);
  if (first.kind === 'answered') return first.answer;
  const isRepeatable = options.method === 'GET' && typeof options.content !== 'function';
  if (!first.wasStale || !isRepeatable || options.end.reason !== undefined) throw first.error;
  // The other connections have been idle as long and may be closed, too.
  if (options.agent instanceof Agent) closeIdleConnections(options.agent);
  const second = await attempt(options);
  if (second.kind === 'answered') return second.answer;
  throw second.error;
}

type Attempt =
  | { readonly kind: 'answered'; readonly answer: IncomingMessage }
  | { readonly kind: 'failed'; readonly error: Error; readonly wasStale: boolean };

function attempt({ content, end, ...options }: ExchangeOptions): Promise<Attempt> {
  return new Promise((resolve) => {
    const request = options.protocol === 'http:' ? httpRequest(options) : httpsRequest(options);
    let isAnswered = false;
    const fail = (error: Error): void => {
      const isReset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      resolve({ kind: 'failed', error, wasStale: request.reusedSocket && isReset });
    };
    end.onReached = () => {
      // A destroyed request that still waits for a connection emits nothing.
      fail(new Error('aborted'));
      request.destroy();
    };
    request.on('error', fail);
    request.on('response', (answer) => {
      isAnswered = true;
      // Errors are handled by the body's reader, and there may be none.
      answer.on('error', () => undefined);
      resolve({ kind: 'answered', answer });
    });
    request.on('socket', probeWhenSilent);
    request.on('close', () => {
      if (!isAnswered) fail(new Error('closed without an answer'));
    });
    if (end.reason !== undefined) end.onReached();
    if (typeof content === 'function') content(request);
    else request.end(content);
  });
}
