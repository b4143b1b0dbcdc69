import { isAnswered, type Middleware } from './middleware.js';

/**
 * Lets a request wait until those before it on its connection are answered (pipelining: RFC 9112, 9.3.2). Its own
 * answer cannot go out before, so all that it would cost until then is in vain; and where the connection closes
 * meanwhile, Node never says so of an answer whose turn had not come.
 */
export const inTurn: Middleware = (_request, response, next) => {
  // Node hands the connection to one answer after the other.
  if (response.socket !== null || isAnswered(response)) next();
  else {
    response.once('socket', () => {
      next();
    });
  }
};
