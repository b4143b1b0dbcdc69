import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request as Node makes it; Express 4 and 5 remember its target before any router cuts it. */
export type Request = IncomingMessage & { readonly originalUrl?: string; readonly baseUrl?: string };

export type Next = (error?: unknown) => void;

/** One step of a request's way; fits Express 4, Express 5, connect and a bare `http.Server` alike. */
export type Middleware = (request: Request, response: ServerResponse, next: Next) => void;

/** Several steps as one; each runs only if the one before called its `next`. */
export function chain(steps: readonly Middleware[]): Middleware {
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

/** The target as the client sent it, whatever a router has made of `url` since. */
export function requestTarget(request: Request): string {
  return request.originalUrl ?? request.url ?? '/';
}
