import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { errorClass } from '../error-class.js';
import { connectionOptions, limitConnections } from './connection-limits.js';
import { Connections } from './connections.js';
import { limitHandshakes } from './limit-handshakes.js';
import { LineBudget } from './request-log.js';
import { guardedRoutes } from './routes.js';
import type { ServerOptions } from './server-options.js';
import { CertificateChoice, httpsOptions } from './tls.js';
import { aLogger, aText, anObject, checkOptions, must, optional } from '../option-checks.js';

export interface RunningServer {
  /** `https://<address>:<port>` */
  readonly url: string;
  readonly port: number;
  /** Waits for the shutdown delay, stops listening, lets requests in progress finish, then resolves; idempotent. */
  close(): Promise<void>;
}

/**
 * A TLS server that guards everything it serves, `/metrics` and health, by the same steps.
 * @throws Error if the address is not available or the TLS files cannot be used; then nothing listens.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  checkOptions(options, {
    bindAddress: optional(aText),
    port: optional(must('a port', (value) => Number.isInteger(value))),
    tls: anObject('{ certificate, privateKey }'),
    logger: aLogger,
  });
  const { bindAddress = '127.0.0.1', port = 0, tls, policy, logger, telemetry } = options;
  const { connectionLimits = {}, stallTimeoutMs = 60_000, shutdownDelayMs = 0 } = options;
  const { shutdownTimeoutMs = 30_000 } = options;
  let isStopping = false;
  const handle = guardedRoutes(options, () => isStopping);
  const certificates = new CertificateChoice(tls);
  const server = createServer({
    ...httpsOptions(tls),
    ...certificates.serverOptions,
    ...connectionOptions(connectionLimits),
  });
  certificates.follow(server);
  const onRefused = (): void => telemetry?.refusedConnection();
  limitConnections(server, connectionLimits, onRefused);
  const spentHandshakes = new LineBudget();
  limitHandshakes(server, {
    ...connectionLimits,
    onRefused,
    onSpent: (address) => {
      spentHandshakes.spend((suppressed) => {
        const message = 'TLS handshakes with long or costly certificate chains: not accepted for a while';
        logger.warn({ address, ...suppressed }, message);
      });
    },
  });
  server.on('tlsClientError', (error) => {
    logger.debug({ error: errorClass(error) }, 'TLS handshake failed');
  });
  server.setTimeout(stallTimeoutMs);
  const connections = new Connections(server, handle);
  server.listen(port, bindAddress);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const acceptFaults = new LineBudget();
  // A failed `accept` must not end the process, as an error without a listener would.
  server.on('error', (error) => {
    acceptFaults.spend((suppressed) => {
      logger.error({ error: errorClass(error), ...suppressed }, 'a connection cannot be accepted');
    });
  });
  const stop = async (): Promise<void> => {
    isStopping = true;
    if (shutdownDelayMs > 0) {
      logger.info({ delayMs: shutdownDelayMs }, 'shutting down: not ready any more');
      await pause(shutdownDelayMs);
    }
    await connections.drain(shutdownTimeoutMs);
    await policy?.close();
  };
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  let closing: Promise<void> | undefined;
  return {
    url: `https://${host}:${address.port}`,
    port: address.port,
    close: () => (closing ??= stop()),
  };
}
