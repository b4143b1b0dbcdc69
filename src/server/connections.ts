import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/**
 * Knows which connections have a request under way. Node's own account of idle connections leaves out those
 * that never sent one, and takes an answer for given before the last of it is out.
 */
export class Connections {
  readonly #open = new Map<string, Socket>();
  readonly #busy = new Map<string, number>();
  #isDraining = false;

  constructor(server: Server) {
    // The bare TCP connections: one that never finishes its TLS handshake is among them.
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      this.#open.set(key, socket);
      socket.once('close', () => {
        this.#open.delete(key);
        // Node never says that an answer whose turn had not come is closed.
        this.#busy.delete(key);
      });
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const key = keyOf(request.socket);
      this.#busy.set(key, (this.#busy.get(key) ?? 0) + 1);
      response.once('close', () => {
        this.#finished(key);
      });
    });
  }

  /** Closes every connection as soon as it has no request under way. */
  drain(): void {
    this.#isDraining = true;
    for (const [key, socket] of this.#open) if (!this.#busy.has(key)) socket.destroy();
  }

  destroyAll(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }

  #finished(key: string): void {
    const left = (this.#busy.get(key) ?? 1) - 1;
    if (left > 0) {
      this.#busy.set(key, left);
      return;
    }
    this.#busy.delete(key);
    if (this.#isDraining) this.#open.get(key)?.destroySoon();
  }
}

/** A TLS connection and the TCP connection below it have the same peer. */
function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
