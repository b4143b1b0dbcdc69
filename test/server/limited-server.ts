import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { Registry } from 'prom-client';
import { FilterMetrics } from '../../src/index.js';
import { startServer, type RunningServer, type ServerOptions } from '../../src/server-exports.js';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import { atEnd } from '../support/ending.js';
import { filterOptions } from '../support/filter.js';
import { localAuthority } from '../support/local-authority.js';
import { requestOnce, type RawAnswer } from '../support/raw-tls.js';

const silent = () => undefined;

export interface LimitedServer {
  readonly server: RunningServer;
  readonly events: readonly AuditEvent[];
  /** Over a connection of its own, from another address of the loopback where one is named. */
  scrape(token: string, from?: string, target?: string): Promise<RawAnswer>;
  /** A TLS connection that says nothing. */
  connected(from?: string): Promise<TLSSocket>;
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** What Node takes for a connection's own end, which its types do not know. */
function placed(port: number, localAddress: string): ConnectionOptions & { readonly localAddress: string } {
  return { port, host: '127.0.0.1', localAddress, rejectUnauthorized: false };
}

/** A real one, on a free port, stopped after the test; `scraper-token` may scrape, `mallory-token` may not. */
export async function startLimited(options: Partial<ServerOptions>): Promise<LimitedServer> {
  const { serving } = await localAuthority();
  const registry = new Registry();
  const events: AuditEvent[] = [];
  const sockets: TLSSocket[] = [];
  const server = await startServer({
    ...filterOptions({ alwaysAllowPaths: ['/livez', '/readyz', '/healthz'] }),
    tls: {
      certificate: serving.certificatePem,
      privateKey: serving.privateKeyPem,
      requestCertificates: true,
    },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    telemetry: new FilterMetrics(registry),
    onAuditEvent: (event) => {
      events.push(event);
    },
    ...options,
  });
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await server.close();
  };
  atEnd(stop);
  return {
    server,
    events,
    scrape(token, from = '127.0.0.1', target = '/metrics') {
      const headers = { Authorization: `Bearer ${token}` };
      return requestOnce(placed(server.port, from), target, token === '' ? {} : { headers });
    },
    async connected(from = '127.0.0.1') {
      const socket = connect(placed(server.port, from));
      sockets.push(socket);
      socket.on('error', silent);
      await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
      return socket;
    },
    async metric(name) {
      const metrics = await registry.getMetricsAsJSON();
      const values = metrics.find((metric) => metric.name === name)?.values ?? [];
      return values.reduce((sum, { value }) => sum + value, 0);
    },
    stop,
  };
}
