import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Request } from '../middleware.js';

type Listener = () => void;

/** One listener a connection, however many answers of it wait. */
const waiting = new WeakMap<Socket, Set<Listener>>();

/**
 * Tells of an answer whose turn had not come when its connection closed (pipelining): Node emits no `close` for it.
 * Those whose turn has come are left to that.
 */
export function givenUpWith({ socket }: Request, response: ServerResponse, onGivenUp: Listener): void {
  // Node hands the connection to one answer after the other.
  if (response.socket !== null) return;
  let listeners = waiting.get(socket);
  if (listeners === undefined) {
    const fresh = new Set<Listener>();
    listeners = fresh;
    waiting.set(socket, fresh);
    socket.once('close', () => {
      for (const listener of fresh) listener();
    });
  }
  const known = listeners;
  known.add(onGivenUp);
  response.once('socket', () => known.delete(onGivenUp));
}
