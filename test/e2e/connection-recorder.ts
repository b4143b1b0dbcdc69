import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy on a free port of 127.0.0.1; for `through` of a kubeconfig. */
export interface ConnectionRecorder {
  readonly origin: string;
  /** When each connection came, on `performance`'s clock. */
  readonly arrivals: readonly number[];
  close(): Promise<void>;
}

/** Passes every connection on, and ends it when it is ended there. @param url Of the server behind it. */
export async function startConnectionRecorder(url: string): Promise<ConnectionRecorder> {
  const port = Number(new URL(url).port);
  const arrivals: number[] = [];
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    arrivals.push(performance.now());
    const upstream = connect({ host: '127.0.0.1', port });
    clients.add(client);
    client.pipe(upstream);
    upstream.pipe(client);
    for (const [side, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      // Each is followed by a close.
      side.on('error', () => undefined);
      side.once('close', () => {
        other.destroy();
        clients.delete(client);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrivals,
    async close() {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
