import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { errorClass } from '../error-class.js';

/** A request as Node makes it; Express 4 and 5 remember its target before any router cuts it. */
export type Request = IncomingMessage & { readonly originalUrl?: string; readonly baseUrl?: string };

export type Next = (error?: unknown) => void;

/** One step of a request's way; fits Express 4, Express 5, connect and a bare `http.Server` alike. */
export type Middleware = (request: Request, response: ServerResponse, next: Next) => void;

/** Several steps one after the other; each runs only if the one before called its `next`. */
export function sequence(steps: readonly Middleware[]): Middleware {
  return (request, response, next) => {
    const run = (at: number): void => {
      const step = steps[at];
      if (step === undefined) {
        next();
        return;
      }
      step(request, response, (error) => {
        if (error === undefined || error === null) run(at + 1);
        else next(error);
      });
    };
    run(0);
  };
}

/**
 * A step that has to wait. It resolves to whether the request goes on; the rest is for the worst case: a step
 * that fails answers 500, one whose answer another middleware has given meanwhile (a timeout) ends there, and
 * no failure ever becomes an unhandled rejection, which would end the process.
 */
export function waitingStep(
  run: (request: Request, response: ServerResponse) => Promise<boolean>,
  fail: (request: Request, response: ServerResponse, error: unknown) => void,
): Middleware {
  return (request, response, next) => {
    run(request, response)
      .then(
        (goesOn) => {
          if (goesOn && !isAnswered(response)) next();
        },
        (error: unknown) => {
          fail(request, response, error);
        },
      )
      .catch(() => {
        breakOff(response);
      });
  };
}

/** The stream of a request or an answer over HTTP/2, as node:http2's compatibility API has it. */
export function streamOf(message: IncomingMessage | ServerResponse): ServerHttp2Stream | undefined {
  const { stream } = message as { readonly stream?: ServerHttp2Stream };
  return stream?.rstCode === undefined ? undefined : stream;
}

/** Whether it is too late to answer. */
export function isAnswered(response: ServerResponse): boolean {
  return response.headersSent || response.writableEnded || isClosed(response);
}

/** Whether nobody takes any more of the answer. Over HTTP/2 its stream alone knows. */
export function isClosed(response: ServerResponse): boolean {
  return streamOf(response)?.destroyed ?? (response.destroyed || response.closed);
}

/** Whether all of the answer is out. Over HTTP/2 one that was broken off calls itself finished, too. */
export function isSent(response: ServerResponse): boolean {
  const stream = streamOf(response);
  if (stream === undefined) return response.writableFinished;
  return stream.writableFinished && stream.rstCode === 0;
}

/** Ends an answer so that what is out of it does not look like all of it: over HTTP/2 that takes an error. */
export function breakOff(response: ServerResponse): void {
  if (streamOf(response) === undefined) response.destroy();
  else response.destroy(new Error('the answer was broken off'));
}

/** Tells somebody who only watches; whatever he makes of it, the request goes on. */
export function tell(observer: () => void): void {
  try {
    observer();
  } catch (error) {
    process.emitWarning(`an observer failed: ${errorClass(error)}`);
  }
}

/** The target as the client sent it, whatever a router has made of `url` since. */
export function requestTarget(request: Request): string {
  return request.originalUrl ?? request.url ?? '/';
}
