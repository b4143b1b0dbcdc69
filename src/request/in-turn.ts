import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isAnswered, type Middleware, type Request } from './middleware.js';

/** So many requests of a connection wait at most. No scraper sends a second one before the first is answered. */
const maxWaiting = 256;
/** When the headers of those that wait have so many bytes, no more is read. Those that came with them are there. */
const maxWaitingBytes = 16 * 1024;

/** The requests of a connection before whose answers others have to go out. */
class Waiting {
  count = 0;
  readonly #socket: Socket;
  #bytes = 0;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  add(request: Request, response: ServerResponse): void {
    this.count += 1;
    this.#bytes += request.rawHeaders.reduce((sum, { length }) => sum + length, request.url?.length ?? 0);
    // What is still to come of a body would wait with its request.
    if (this.#bytes > maxWaitingBytes || hasBody(request)) this.#pause();
    response.once('socket', () => {
      this.count -= 1;
      if (this.count === 0) this.#resume();
    });
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
    // Node resumes it at the end of each request that has been read.
    this.#socket.on('resume', this.#stayPaused);
  }

  #resume(): void {
    this.#bytes = 0;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.off('resume', this.#stayPaused);
    this.#socket.resume();
  }

  readonly #stayPaused = (): void => {
    this.#socket.pause();
  };
}

const waitingOn = new WeakMap<Socket, Waiting>();
const added = new WeakSet<ServerResponse>();

function waitingBehind(request: Request, response: ServerResponse): Waiting {
  const { socket } = request;
  const waiting = waitingOn.get(socket) ?? new Waiting(socket);
  waitingOn.set(socket, waiting);
  if (!added.has(response)) {
    added.add(response);
    waiting.add(request, response);
  }
  return waiting;
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Node hands the connection to one answer after the other. */
function isInTurn(response: ServerResponse): boolean {
  return response.socket !== null;
}

/**
 * Stops reading a connection on which requests wait for the answers to others (pipelining), once they hold as much as
 * one request may: Node itself reads on, whatever that costs, as long as nothing is written.
 */
export const boundWaiting: Middleware = (request, response, next) => {
  if (!isInTurn(response)) waitingBehind(request, response);
  next();
};

/**
 * Lets a request wait until those before it on its connection are answered (pipelining: RFC 9112, 9.3.2). Its own
 * answer cannot go out before, so all that it would cost until then is wasted; and where the connection closes
 * meanwhile, Node never says so of an answer whose turn had not come.
 *
 * What waits is bounded in bytes, as by `boundWaiting`, and in number: a connection on which more wait than anybody has a
 * use for is closed.
 */
export const inTurn: Middleware = (request, response, next) => {
  if (isInTurn(response) || isAnswered(response)) {
    next();
    return;
  }
  // Requests that came with the last one that was too many.
  if (request.socket.destroyed) return;
  if (waitingBehind(request, response).count > maxWaiting) {
    request.socket.destroy();
    return;
  }
  response.once('socket', () => {
    next();
  });
};
