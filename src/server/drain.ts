import type { Server } from 'node:https';
import { Server as NetServer } from 'node:net';
import type { Connections } from './connections.js';

/** Resolves when the last connection is closed, by itself or at the deadline, and its answers know. */
export function drain(server: Server, connections: Connections, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      connections.destroyAll();
    }, timeoutMs);
    // The listening socket's own `close`: the server's would also cut answers whose last bytes are on their way.
    NetServer.prototype.close.call(server, () => {
      clearTimeout(deadline);
      server.close();
      resolve(connections.closed());
    });
    connections.drain();
  });
}
