import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { hasBody, oncePerSocket, requestState } from '../request/middleware.js';

/**
 * Passes requests to a handler and knows which connections have one in progress. Node's own list of idle connections
 * leaves out those that never sent a request, and counts an answer as done before it is fully sent.
 */
export class Connections {
  readonly #server: Server;
  /** By `endsOf` their sockets. */
  readonly #open = new Map<string, { readonly socket: Socket; requests: number }>();
  readonly #secured = new Set<TLSSocket>();
  #isDraining = false;

  constructor(server: Server, handle: RequestListener) {
    this.#server = server;
    // The bare TCP connections: one that never finishes its TLS handshake is among them.
    server.on('connection', (socket: Socket) => {
      const ends = endsOf(socket);
      const connection = { socket, requests: 0 };
      this.#open.set(ends, connection);
      socket.once('close', () => {
        if (this.#open.get(ends) === connection) this.#open.delete(ends);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#secured.add(socket);
      socket.once('close', () => this.#secured.delete(socket));
    });
    const take = (request: IncomingMessage, response: ServerResponse): void => {
      if (request.socket.destroyed) {
        ignoreRest(request.socket);
        return;
      }
      const connection = this.#open.get(endsOf(request.socket));
      if (connection !== undefined) connection.requests += 1;
      if (hasBody(request)) {
        response.once('prefinish', () => {
          if (!request.complete) dropRest(request);
        });
      }
      response.once('close', () => {
        if (connection !== undefined) connection.requests -= 1;
        if (this.#isDraining && connection?.requests === 0) connection.socket.destroySoon();
        if (!request.complete) closeUnread(request);
      });
      if (this.#isDraining) response.setHeader('Connection', 'close');
      handle(request, response);
    };
    server.on('request', take);
    // Told to send its body only where somebody wants it: not before the guard has decided.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      requestState(request).awaitsContinue = true;
      take(request, response);
    });
  }

  /** Stops listening, and closes each connection without requests, all after the timeout. Resolves with the last. */
  async drain(timeoutMs: number): Promise<void> {
    const deadline = setTimeout(() => {
      for (const { socket } of this.#open.values()) socket.destroy();
    }, timeoutMs);
    // The listening socket's own `close`: the server's would also cut answers whose last bytes are on their way.
    const closed = new Promise((resolve) => NetServer.prototype.close.call(this.#server, resolve));
    this.#isDraining = true;
    for (const { socket, requests } of this.#open.values()) if (requests === 0) socket.destroy();
    await closed;
    clearTimeout(deadline);
    this.#server.close();
    // A TLS connection closes after the TCP connection below it, and only then do answers that were cut leave their
    // audit events.
    await Promise.all(
      [...this.#secured].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }
}

/**
 * What came together with a request that has closed its connection: there may be thousands more, and Node's parser has no
 * end but that of what was read. For each request that it makes, an error with its stack is made when the connection closes.
 */
function ignoreRest(socket: Socket & { readonly parser?: { onIncoming: unknown } | null }): void {
  if (socket.parser) socket.parser.onIncoming = () => 0;
}

/** Of an answered request's body: megabytes of honest ones, while thousands of tiny chunks arrive at once. */
const maxPieces = 1024;

/**
 * Reads a bounded rest of an answered request's body, so that its connection may be used again, and keeps nothing of it.
 * Node would read all that comes, megabytes in one go.
 */
function dropRest(request: IncomingMessage): void {
  const { socket } = request;
  // Node resumes it with each read of the body.
  const stayPaused = (): void => {
    socket.pause();
  };
  let pieces = 0;
  request.on('data', () => {
    pieces += 1;
    if (pieces !== maxPieces) return;
    socket.on('resume', stayPaused);
    socket.pause();
  });
  request.once('end', () => {
    socket.off('resume', stayPaused);
    if (pieces >= maxPieces) socket.resume();
  });
  // Before the answer is out, when Node would begin to drop the body by itself.
  request.read(0);
}

/** How long a client may go on sending what nobody reads (ms): enough to notice the answer. */
const lingerMs = 1000;

/** Closes the connection of an answered request whose body does not end. Node would read and drop it until its timeout. */
function closeUnread(request: IncomingMessage): void {
  const { socket } = request;
  if (socket.destroyed) return;
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy();
  }, lingerMs);
  timer.unref();
}

/** The same for a TLS connection and its TCP connection, another for others. Read once: a closed socket has none. */
export const endsOf = oncePerSocket(
  ({ remoteAddress = '', remotePort = 0, localAddress = '' }) =>
    `${remoteAddress} ${remotePort} ${localAddress}`,
);
