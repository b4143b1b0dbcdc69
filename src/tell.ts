import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { errorClass } from './error-class.js';

/**
 * Calls a listener, if any. If it throws, a warning names only the class of its error, since a message
 * could quote a secret, and changes nothing for the caller: listeners cannot make an answer fail.
 *
 * @param owner names the listener's owner in the warning.
 */
export function tell<Values extends readonly unknown[]>(
  owner: string,
  listener: ((...values: Values) => void) | undefined,
  ...values: Values
): void {
  try {
    listener?.(...values);
  } catch (error) {
    process.emitWarning(`a listener of ${owner} failed with ${errorClass(error)}`);
  }
}

/** Callbacks for answers whose connection is still busy with an earlier one. */
const waitingOn = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls once when nothing more will be sent of an answer: all was sent, or the client has disconnected. Node emits `close`,
 * but not for a pipelined answer that still waits when its connection breaks.
 */
export function onceClosed(
  socket: Socket,
  response: Writable & { readonly socket: Socket | null },
  closed: () => void,
): void {
  if (response.closed || response.destroyed) closed();
  else if (response.socket !== null) response.once('close', closed);
  else {
    const waiting = waitingOn.get(socket) ?? newlyWaitingOn(socket);
    waiting.add(closed);
    response.once('close', () => {
      if (waiting.delete(closed)) closed();
    });
  }
}

function newlyWaitingOn(socket: Socket): Set<() => void> {
  const waiting = new Set<() => void>();
  waitingOn.set(socket, waiting);
  socket.once('close', () => {
    for (const closed of waiting) {
      waiting.delete(closed);
      closed();
    }
  });
  return waiting;
}
