import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { closedAtEnd } from './ending.js';

export interface Listening {
  readonly port: number;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** How many connections there have been. */
  readonly connections: () => number;
  close(): Promise<void>;
}

/** Any server on a free port of 127.0.0.1; closed with every connection it has, at the latest after the test. */
export async function listen(server: Server): Promise<Listening> {
  const open = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return closedAtEnd({
    port: (server.address() as AddressInfo).port,
    open,
    connections: () => connections,
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  });
}

/** An application with metrics, over plain http. */
export function listenHttp(answer: RequestListener): Promise<Listening> {
  return listen(createServer(answer));
}
