import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isAnswered, type Middleware, type Request } from './middleware.js';

/** How many requests of a connection wait at most. No scraper sends a second one before the first is answered. */
const maxWaiting = 256;
/** When the headers of those that wait hold more bytes, no more is read. */
const maxWaitingBytes = 16 * 1024;

/** The requests of a connection that wait for the answers to earlier ones. */
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

/** Node gives the connection to one answer after the other. */
function isInTurn(response: ServerResponse): boolean {
  return response.socket !== null;
}

/**
 * Stops reading a connection on which requests wait for the answers to earlier ones (pipelining), once they hold as much
 * as one request may. Node itself would read on without end as long as nothing is written.
 */
export const boundWaiting: Middleware = (request, response, next) => {
  if (!isInTurn(response)) waitingBehind(request, response);
  next();
};

/**
 * Lets a request wait until those before it on its connection are answered (pipelining: RFC 9112, 9.3.2). Its own answer
 * cannot go out before, so all that it would cost until then could be wasted; and where the connection closes meanwhile,
 * Node emits no event for an answer whose turn had not come.
 *
 * What waits is bounded in bytes, as by `boundWaiting`, and in number: a connection with more is closed.
 */
export const inTurn: Middleware = (request, response, next) => {
  if (isInTurn(response) || isAnswered(response)) {
    next();
    return;
  }
  // It came together with the request that was one too many.
  if (request.socket.destroyed) return;
  if (waitingBehind(request, response).count > maxWaiting) {
    request.socket.destroy();
    return;
  }
  response.once('socket', () => {
    next();
  });
};

/** One set of listeners a connection, however many answers of it wait. */
const waitingToHear = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `onClosed` for an answer whose turn had not come when its connection closed: Node emits no `close` for it. Does
 * nothing for an answer whose turn has come.
 */
export function onClosedBeforeTurn(
  { socket }: Request,
  response: ServerResponse,
  onClosed: () => void,
): void {
  if (isInTurn(response)) return;
  const known = waitingToHear.get(socket);
  const listeners = known ?? new Set();
  if (known === undefined) {
    waitingToHear.set(socket, listeners);
    socket.once('close', () => {
      for (const listener of listeners) listener();
    });
  }
  listeners.add(onClosed);
  response.once('socket', () => listeners.delete(onClosed));
}
