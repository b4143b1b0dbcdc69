import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import express from 'express';
import { errorClass } from '../error-class.js';
import { inTurn } from '../request/in-turn.js';
import { requestState } from '../request/request-state.js';
import { sendInternalError } from '../request/answer/status.js';
import { originForm } from '../paths/request-target.js';
import { connectionOptions, limitConnections } from './connection-limits.js';
import { Connections } from './connections.js';
import { drain } from './drain.js';
import { guardedRoutes } from './guarded-routes.js';
import { limitHandshakes } from './limit-handshakes.js';
import { LineBudget } from './line-budget.js';
import type { Logger } from './logger.js';
import { readinessChecks } from './readiness.js';
import type { ServerOptions } from './server-options.js';
import { CertificateChoice } from './tls-certificate-choice.js';
import { httpsOptions } from './tls.js';

export interface RunningServer {
  /** `https://<address>:<port>` */
  readonly url: string;
  readonly port: number;
  /** Waits for the shutdown delay, stops listening, lets requests under way finish, then resolves; idempotent. */
  close(): Promise<void>;
}

/**
 * A TLS server that guards everything it has, `/metrics` and health, by the same steps.
 *
 * @throws Error when the address cannot be had or the TLS files cannot be used; then nothing listens.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const {
    bindAddress = '127.0.0.1',
    port = 0,
    tls,
    policy,
    logger,
    telemetry,
    connectionLimits = {},
    stallTimeoutMs = 60_000,
    shutdownDelayMs = 0,
    shutdownTimeoutMs = 30_000,
  } = options;
  let stopping = false;
  let draining = false;
  const app = express();
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    if (draining) response.setHeader('Connection', 'close');
    next();
  });
  app.use(
    guardedRoutes(
      options,
      readinessChecks(policy, () => stopping),
    ),
  );
  app.use(reportError(logger));

  const certificates = new CertificateChoice(tls);
  const server = createServer(
    {
      ...httpsOptions(tls),
      ...certificates.serverOptions,
      ...connectionOptions(connectionLimits),
    },
    readableBy(app),
  );
  certificates.follow(server);
  limitConnections(server, connectionLimits, () => telemetry?.refusedConnection());
  const spentHandshakes = new LineBudget();
  limitHandshakes(server, {
    ...connectionLimits,
    onRefused: () => telemetry?.refusedConnection(),
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
  const connections = new Connections(server);
  const address = await listen(server, port, bindAddress);
  const acceptFaults = new LineBudget();
  // A connection that the system fails to hand over is no reason to end, as an error that nobody hears would be.
  server.on('error', (error) => {
    acceptFaults.spend((suppressed) => {
      logger.error({ error: errorClass(error), ...suppressed }, 'a connection cannot be accepted');
    });
  });
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const stop = async (): Promise<void> => {
    stopping = true;
    if (shutdownDelayMs > 0) {
      logger.info({ delayMs: shutdownDelayMs }, 'shutting down: not ready any more');
      await pause(shutdownDelayMs);
    }
    draining = true;
    await drain(server, connections, shutdownTimeoutMs);
    await policy?.close();
  };
  let closing: Promise<void> | undefined;
  return {
    url: `https://${host}:${address.port}`,
    port: address.port,
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/**
 * Nothing is made of a request before its turn: not even what Express makes of it.
 *
 * Express takes an absolute target apart by rules of its own, and answers what it cannot read: no step would see the
 * request, and nobody write it down.
 */
function readableBy(app: RequestListener): RequestListener {
  return (request, response) => {
    const target = request.url ?? '/';
    // As Express remembers a target that it changes.
    if (!target.startsWith('/')) Object.assign(request, { originalUrl: target, url: originForm(target) });
    inTurn(request, response, () => {
      app(request, response);
    });
  };
}

/** What no step expected: logged by its class, answered without a word of it. */
function reportError(logger: Logger): express.ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    logger.error({ error: errorClass(error), auditId: requestState(request).auditId }, 'request failed');
    if (response.headersSent) next(error);
    else sendInternalError(request, response, error);
  };
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
