import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An application that is scraped by the filter; it goes away and comes back on the same port. */
export interface Application {
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Its exposition has so many series, `soak_<name>_total{number="…"}`. */
export async function startApplication(name: string, series: number): Promise<Application> {
  const lines = Array.from({ length: series }, (_, number) => `soak_${name}_total{number="${number}"} 1\n`);
  const body = `# HELP soak_${name}_total Of the soak.\n# TYPE soak_${name}_total counter\n${lines.join('')}`;
  const open = new Set<Socket>();
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
  });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  let port = 0;
  const start = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    start,
    async stop() {
      if (!server.listening) return;
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Whether the last series of the application stands in a merged exposition. */
export function holdsLastSeries(body: Buffer, name: string, series: number): boolean {
  return body.includes(`soak_${name}_total{upstream="${name}",number="${series - 1}"} 1\n`);
}
