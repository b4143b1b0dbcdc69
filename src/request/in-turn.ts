import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { hasBody, isAnswered, oncePerSocket, type Middleware, type Request } from './middleware.js';

/** Maximum number of pipelined requests that wait. Scrapers do not pipeline. */
const maxWaiting = 256;
/** Reading stops if the headers of the waiting requests are larger (bytes). */
const maxWaitingBytes = 16 * 1024;

/** The requests of a connection that wait for the answers to earlier ones. */
class Waiting {
  readonly #answers = new Set<ServerResponse>();
  #bytes = 0;
  #isPaused = false;

  constructor(private readonly socket: Socket) {}

  /** Once for each answer; returns how many wait. */
  add(request: Request, response: ServerResponse): number {
    if (this.#answers.has(response)) return this.#answers.size;
    this.#answers.add(response);
    this.#bytes += request.rawHeaders.reduce((sum, { length }) => sum + length, request.url?.length ?? 0);
    // The rest of a body would wait with its request.
    if (this.#bytes > maxWaitingBytes || hasBody(request)) this.#pause();
    response.once('socket', () => {
      this.#answers.delete(response);
      if (this.#answers.size === 0) this.#resume();
    });
    return this.#answers.size;
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.socket.pause();
    // Node resumes it at the end of each request that has been read.
    this.socket.on('resume', this.#stayPaused);
  }

  #resume(): void {
    this.#bytes = 0;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.socket.off('resume', this.#stayPaused);
    this.socket.resume();
  }

  readonly #stayPaused = (): void => {
    this.socket.pause();
  };
}

const waitingOn = oncePerSocket((socket) => new Waiting(socket));

/** Node gives the connection to one answer after the other. */
function isInTurn(response: ServerResponse): boolean {
  return response.socket !== null;
}

/**
 * Stops reading a connection on which requests wait for the answers to earlier ones (pipelining), once they hold
 * 16 KiB or one of them has a body. Node itself would read on without end as long as nothing is written.
 */
export const boundWaiting: Middleware = (request, response, next) => {
  if (!isInTurn(response)) waitingOn(request.socket).add(request, response);
  next();
};

/**
 * Lets a request wait until those before it on its connection are answered (pipelining: RFC 9112, 9.3.2). Its own answer
 * cannot go out before, so all that it would cost until then could be wasted; and where the connection closes meanwhile,
 * Node emits no event for an answer that was still waiting.
 *
 * What waits is bounded in bytes, as by `boundWaiting`, and in number: a connection with more is closed.
 */
export const inTurn: Middleware = (request, response, next) => {
  if (isInTurn(response) || isAnswered(response)) {
    next();
    return;
  }
  // It arrived with the request that exceeded the limit.
  if (request.socket.destroyed) return;
  if (waitingOn(request.socket).add(request, response) > maxWaiting) {
    request.socket.destroy();
    return;
  }
  // In another turn of the event loop, so that many of them hold up no other connection.
  response.once('socket', () => {
    setImmediate(next);
  });
};
