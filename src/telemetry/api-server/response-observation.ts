import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A method that is handed what it was called with, in whichever of its forms. */
type Passed<Result> = (...parameters: readonly unknown[]) => Result;

/** Counts the bytes that are written as the body, before any header or chunk framing. */
export function countBodyBytes(response: ServerResponse): () => number {
  let bytes = 0;
  const count = ([chunk, encoding]: readonly unknown[]): void => {
    if (response.writableEnded) return;
    if (typeof chunk === 'string') {
      bytes += Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
    } else if (chunk instanceof Uint8Array) bytes += chunk.byteLength;
  };
  const write = response.write.bind(response) as Passed<boolean>;
  const end = response.end.bind(response) as Passed<ServerResponse>;
  response.write = (...parameters: readonly unknown[]) => {
    count(parameters);
    return write(...parameters);
  };
  response.end = (...parameters: readonly unknown[]) => {
    count(parameters);
    return end(...parameters);
  };
  // What has no body may be given one all the same, and Node leaves it out.
  return () => (response.statusCode === 204 || response.statusCode === 304 ? 0 : bytes);
}

/** Tells once that an answer has begun: its status is known and its headers are on their way. */
export function onHeaders(response: ServerResponse, begun: () => void): void {
  const writeHead = response.writeHead.bind(response) as Passed<ServerResponse>;
  let isTold = false;
  response.writeHead = (...parameters: readonly unknown[]) => {
    const result = writeHead(...parameters);
    if (!isTold) begun();
    isTold = true;
    return result;
  };
}

/** What is still to be told of requests whose connection is busy with an earlier one's answer. */
const pipelined = new WeakMap<Socket, Set<() => void>>();

/**
 * Tells once that nothing more will be sent, be it that all was or that the client has gone. Node says so with
 * `close`, but not of an answer that has not had its turn on a connection that breaks.
 */
export function onClose(socket: Socket, response: ServerResponse, closed: () => void): void {
  if (response.closed || response.destroyed) {
    closed();
    return;
  }
  const isWaiting = response.socket === null;
  if (!isWaiting) {
    response.once('close', closed);
    return;
  }
  const waiting = pipelined.get(socket) ?? waitingOn(socket);
  waiting.add(closed);
  response.once('close', () => {
    if (waiting.delete(closed)) closed();
  });
}

function waitingOn(socket: Socket): Set<() => void> {
  const waiting = new Set<() => void>();
  pipelined.set(socket, waiting);
  socket.once('close', () => {
    for (const closed of waiting) {
      waiting.delete(closed);
      closed();
    }
  });
  return waiting;
}
