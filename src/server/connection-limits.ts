import cluster from 'node:cluster';
import type { Server, ServerOptions as HttpsOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { LimitHandshakesOptions } from './limit-handshakes.js';
import { addressKey } from '../request/limits/request-buckets.js';

/** Limits of connections, before any authentication. Durations in ms, from 1 to 2,147,483,647. */
export interface ConnectionLimits extends Pick<LimitHandshakesOptions, 'maxHandshakeMsByAddress'> {
  /** How many connections may be open; further ones are closed. 0: no bound. Default 0. */
  readonly maxConnections?: number;
  /** The same for each address, or each /64 of IPv6. Default 0. */
  readonly maxConnectionsByAddress?: number;
  /** The size of a request line with its header (bytes). Default 32 KiB. */
  readonly maxHeaderBytes?: number;
  /** How long a request's header may take, also the first one on a new connection. Default 10,000. */
  readonly headerTimeoutMs?: number;
  /** How long a connection is kept without a request. Default 75,000. */
  readonly idleTimeoutMs?: number;
  /** Default 10,000. */
  readonly tlsHandshakeTimeoutMs?: number;
}

/** The limits that Node takes when a server is created. */
export function connectionOptions({
  // Twice Node's default: warrants of a front proxy are long.
  maxHeaderBytes = 32 * 1024,
  headerTimeoutMs = 10_000,
  tlsHandshakeTimeoutMs = 10_000,
}: ConnectionLimits): HttpsOptions {
  return {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headerTimeoutMs,
    requestTimeout: Math.max(30_000, headerTimeoutMs),
    // How often Node looks for requests that take too long; its own default is 30 s.
    connectionsCheckingInterval: Math.min(1000, headerTimeoutMs),
    handshakeTimeout: tlsHandshakeTimeoutMs,
  };
}

/**
 * Applies the other limits to a server, before it listens. `onRefused` is called for each connection closed by them.
 * `isWorker`: the connections come from a primary of node:cluster.
 */
export function limitConnections(
  server: Server,
  // Longer than scrape intervals usually are: a handshake costs more than a scrape.
  { maxConnections = 0, maxConnectionsByAddress = 0, idleTimeoutMs = 75_000 }: ConnectionLimits,
  onRefused: () => void = () => undefined,
  isWorker = cluster.isWorker,
): void {
  const addressOf = ({ remoteAddress = '' }: Socket): string => addressKey(remoteAddress);
  // Bounded by their size already; beyond 2,000, Node would silently drop header lines, and scopes with them.
  server.maxHeadersCount = 0;
  server.keepAliveTimeout = idleTimeoutMs;
  if (maxConnections > 0 && isWorker) {
    // With Node's own bound a full worker hands connections back, and if all are full they circle endlessly.
    limitEach(server, () => '', maxConnections, onRefused);
  } else if (maxConnections > 0) {
    server.maxConnections = maxConnections;
    server.on('drop', onRefused);
  }
  if (maxConnectionsByAddress > 0) limitEach(server, addressOf, maxConnectionsByAddress, onRefused);
}

function limitEach(
  server: Server,
  keyOf: (socket: Socket) => string,
  max: number,
  onRefused: () => void,
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    // By another bound.
    if (socket.destroyed) return;
    const key = keyOf(socket);
    const others = open.get(key) ?? 0;
    if (others >= max) {
      onRefused();
      socket.destroy();
      return;
    }
    open.set(key, others + 1);
    socket.once('close', () => {
      const left = (open.get(key) ?? 1) - 1;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    });
  });
}
