import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { packageVersion } from '../own-package.js';
import { closeIdleConnections, probeWhenSilent } from './connection-pool.js';

export const userAgent = `kcp-metrics-filter/${packageVersion}`;

interface ExchangeOptions extends RequestOptions {
  /** What is sent behind the headers. */
  readonly content?: string;
  /** Ends the request, and the answer's body where it is still being read. */
  readonly signal: AbortSignal;
}

/**
 * Sends one request; resolves when the headers of its answer have come. A server may close a connection at the
 * moment it is used again, so a GET that met with that is sent once more.
 */
export async function exchange(options: ExchangeOptions): Promise<IncomingMessage> {
  const first = await attempt(options);
  if (first.kind === 'answered') return first.answer;
  if (!first.wasStale || options.method !== 'GET' || options.signal.aborted) throw first.error;
  // The others have been idle for as long, and may be closed too.
  if (options.agent instanceof Agent) closeIdleConnections(options.agent);
  const second = await attempt(options);
  if (second.kind === 'answered') return second.answer;
  throw second.error;
}

type Attempt =
  | { readonly kind: 'answered'; readonly answer: IncomingMessage }
  | { readonly kind: 'failed'; readonly error: Error; readonly wasStale: boolean };

function attempt({ content, signal, ...options }: ExchangeOptions): Promise<Attempt> {
  return new Promise((resolve) => {
    const request = options.protocol === 'http:' ? httpRequest(options) : httpsRequest(options);
    const fail = (error: Error): void => {
      const isReset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      resolve({ kind: 'failed', error, wasStale: request.reusedSocket && isReset });
    };
    const onAbort = (): void => {
      // While it waits for a connection, a destroyed request says nothing.
      fail(new Error('aborted'));
      request.destroy();
    };
    request.on('error', fail);
    request.once('response', (answer) => {
      // Errors are handled where the body is read, and it need not be read.
      answer.on('error', () => undefined);
      resolve({ kind: 'answered', answer });
    });
    request.once('socket', probeWhenSilent);
    request.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      fail(new Error('closed without an answer'));
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    request.end(content);
  });
}
