import type { Socket } from 'node:net';
import { isAnswered, type Middleware } from './middleware.js';

/** So many requests of a connection wait at most. No scraper sends a second one before the first is answered. */
const maxWaiting = 256;

/** How many wait, by connection. */
const waiting = new WeakMap<Socket, number>();

/**
 * Lets a request wait until those before it on its connection are answered (pipelining: RFC 9112, 9.3.2). Its own
 * answer cannot go out before, so all that it would cost until then is in vain; and where the connection closes
 * meanwhile, Node never says so of an answer whose turn had not come.
 *
 * A connection on which more wait than anybody has a use for is closed: Node reads on, and would hold them all.
 */
export const inTurn: Middleware = ({ socket }, response, next) => {
  // Node hands the connection to one answer after the other.
  if (response.socket !== null || isAnswered(response)) {
    next();
    return;
  }
  const others = waiting.get(socket) ?? 0;
  if (others >= maxWaiting) {
    socket.destroy();
    return;
  }
  waiting.set(socket, others + 1);
  response.once('socket', () => {
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    next();
  });
};
