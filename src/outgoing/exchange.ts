import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { packageVersion } from '../own-package.js';
import { closeIdleConnections, probeWhenSilent } from './connection-pool.js';
import type { RequestEnd } from './request-end.js';

export const userAgent = `kcp-metrics-filter/${packageVersion}`;

/** Answers such as 103 before the answer itself: a server that sends them without end would keep this process busy. */
const maxInterimAnswers = 100;

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
export function exchange(options: ExchangeOptions): Promise<IncomingMessage> {
  if (options.method !== 'GET' || typeof options.content === 'function') return attempt(options);
  return attempt(options, () => {
    // The other connections have been idle as long and may be closed, too.
    if (options.agent instanceof Agent) closeIdleConnections(options.agent);
    return attempt(options);
  });
}

/** @param again what to do instead where the connection was kept for too long. */
function attempt(
  { content, end, ...options }: ExchangeOptions,
  again?: () => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = options.protocol === 'http:' ? httpRequest(options) : httpsRequest(options);
    let isSettled = false;
    const fail = (error: Error): void => {
      if (isSettled) return;
      isSettled = true;
      const isReset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      if (again !== undefined && request.reusedSocket && isReset && end.reason === undefined)
        resolve(again());
      else reject(error);
    };
    end.onReached = () => {
      // A destroyed request that still waits for a connection emits nothing.
      fail(new Error('aborted'));
      request.destroy();
    };
    let interimAnswers = 0;
    request.on('information', () => {
      interimAnswers += 1;
      if (interimAnswers <= maxInterimAnswers || isSettled) return;
      fail(Object.assign(new Error('too many interim answers'), { code: 'ERR_INTERIM_ANSWERS' }));
      request.destroy();
    });
    request.on('error', fail);
    request.on('response', (answer) => {
      isSettled = true;
      // Errors are handled by the body's reader, and there may be none.
      answer.on('error', () => undefined);
      resolve(answer);
    });
    request.on('socket', probeWhenSilent);
    request.on('close', () => {
      fail(new Error('closed without an answer'));
    });
    if (end.reason !== undefined) end.onReached();
    if (typeof content === 'function') content(request);
    else request.end(content);
  });
}
