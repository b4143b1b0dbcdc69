import { errorClass } from '../authentication/error-class.js';
import { createServer, type Server } from 'node:https';
import { Server as NetServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import express from 'express';
import type { MetricsFilterOptions } from '../metrics-filter.js';
import { guardSteps } from '../metrics-filter.js';
import { allowPaths } from '../http/allow-paths.js';
import type { AuditEvent } from '../http/audit.js';
import { frontProxyCheckOf } from '../http/front-proxy.js';
import { ignorePaths } from '../http/ignore-paths.js';
import { chain, type Middleware } from '../http/middleware.js';
import { refuseInMaintenance, type Maintenance } from '../http/refuse-in-maintenance.js';
import { requestState } from '../http/request-state.js';
import { sendInternalError, sendStatus } from '../http/status.js';
import type { OpenPolicy } from '../policy-sources/open-policy.js';
import { connectionOptions, limitConnections, type ConnectionLimits } from './connection-limits.js';
import { Connections } from './connections.js';
import { health, pingCheck, type HealthCheck, type HealthObserver } from './health.js';
import type { Logger } from './logger.js';
import { zPagePaths } from '../z-pages/z-page.js';
import { RefusalTally } from '../z-pages/refusal-tally.js';
import { RefusalLog } from './refusal-log.js';
import { requestLimits, type RequestLimits } from './request-limits.js';
import { pathsOf, servedZPages, type ServedZPagesOptions } from './served-z-pages.js';
import { CertificateChoice } from './tls-certificate-choice.js';
import { httpsOptions, type TlsOptions } from './tls.js';
import { version } from './version.js';

export interface ServerOptions extends Omit<MetricsFilterOptions, 'onAuditEvent'> {
  /** Default `127.0.0.1`. */
  readonly bindAddress?: string;
  /** Default 0: a free port. */
  readonly port?: number;
  readonly tls: TlsOptions;
  /** Globs (micromatch) of the paths that are served at all; others are 404. Default: every path. */
  readonly allowPaths?: readonly string[];
  /** Globs of the shard-level paths that are served to everybody, as `ignorePaths` takes them. Default: none. */
  readonly ignorePaths?: readonly string[];
  /** Shown in `/readyz` and closed with the server. Default: none, as on a cache server without policy. */
  readonly policy?: OpenPolicy;
  /** Told of the result of every health check that an endpoint runs. Default: nobody. */
  readonly onHealthResult?: HealthObserver;
  readonly logger: Logger;
  readonly onAuditEvent?: (event: AuditEvent) => void;
  readonly requestLimits?: RequestLimits;
  readonly connectionLimits?: ConnectionLimits;
  /** Serves `/statusz`, `/flagz` and `/`, each to whoever may read that path. Default: they are 404. */
  readonly zPages?: ServedZPagesOptions;
  /** Whose scrapes are refused for now. Default: nobody's. */
  readonly maintenance?: { readonly current: Maintenance };
  /** How long a connection may make no progress before it is closed (ms). Default 60,000. */
  readonly stallTimeoutMs?: number;
  /** How long everything is served on after `close`, but for `/readyz`, which fails (ms). Default 0. */
  readonly shutdownDelayMs?: number;
  /** How long requests under way may take after that (ms). Default 30,000. */
  readonly shutdownTimeoutMs?: number;
}

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
    app,
  );
  certificates.follow(server);
  limitConnections(server, connectionLimits, () => telemetry?.refusedConnection());
  server.on('tlsClientError', (error) => {
    logger.debug({ error: errorClass(error) }, 'TLS handshake failed');
  });
  server.setTimeout(stallTimeoutMs);
  const connections = new Connections(server);
  const address = await listen(server, port, bindAddress);
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

function guardedRoutes(options: ServerOptions, readiness: readonly HealthCheck[]): Middleware {
  const { serverKind = 'shard', logger, onAuditEvent } = options;
  const { exposition, authenticators, authorizers, anonymous, scopedEndpoint, telemetry } = options;
  const { alwaysAllowPaths, otherExpositions, onHealthResult, scrapeWriteTimeoutMs } = options;
  const { maintenance } = options;
  const refusalLog = new RefusalLog(logger);
  const refusals = new RefusalTally();
  const steps = guardSteps(
    {
      exposition,
      ...(otherExpositions === undefined ? {} : { otherExpositions }),
      authenticators,
      authorizers,
      serverKind,
      ...(anonymous === undefined ? {} : { anonymous }),
      ...(alwaysAllowPaths === undefined ? {} : { alwaysAllowPaths }),
      ...(scopedEndpoint === undefined ? {} : { scopedEndpoint }),
      ...(scrapeWriteTimeoutMs === undefined ? {} : { scrapeWriteTimeoutMs }),
      ...(telemetry === undefined ? {} : { telemetry }),
      onAuditEvent: (event) => {
        logger.debug({ audit: event }, 'request');
        refusalLog.write(event);
        refusals.count(event);
        onAuditEvent?.(event);
      },
    },
    'all',
    options.zPages === undefined ? [] : zPagePaths,
  );
  const checks = { live: [pingCheck], ready: readiness };
  const limits = requestLimits(
    options.requestLimits ?? {},
    (by) => telemetry?.limitedRequest(by),
    frontProxyCheckOf(authenticators),
  );
  return chain([
    steps.audit,
    steps.classify,
    ...(options.allowPaths === undefined ? [] : [allowPaths(options.allowPaths)]),
    steps.alwaysAllow,
    ...(options.ignorePaths === undefined
      ? []
      : [ignorePaths(options.ignorePaths, (...decision) => telemetry?.decision(...decision))]),
    ...limits.beforeAuthentication,
    steps.authenticate,
    ...limits.afterAuthentication,
    steps.authorize,
    ...(maintenance === undefined
      ? []
      : [refuseInMaintenance({ maintenance, onRefused: () => telemetry?.refusedInMaintenance() })]),
    steps.serve,
    ...(options.zPages === undefined
      ? []
      : [
          servedZPages(options.zPages, {
            mode: serverKind,
            policy: options.policy,
            authenticators,
            authorizers,
            refusals,
            paths: pathsOf(options, checks),
          }),
        ]),
    health({
      ...checks,
      ...(onHealthResult === undefined ? {} : { onResult: onHealthResult }),
    }),
    ...(serverKind === 'cache-server' ? [version] : []),
    (request, response) => {
      sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
    },
  ]);
}

function readinessChecks(open: OpenPolicy | undefined, isDraining: () => boolean): readonly HealthCheck[] {
  const layers = open?.policy.status().map(({ layer }) => layer) ?? [];
  return [
    ...layers.map((layer): HealthCheck => ({
      name: `policy-${layer}`,
      check() {
        const status = open?.policy.status().find((candidate) => candidate.layer === layer);
        if (status === undefined) return { ok: false };
        // What is not in force keeps nobody waiting: a fallback, or what a fallback stands in for.
        if (status.state === 'syncing') return { ok: !status.inForce, remark: 'not loaded yet' };
        // A stale policy goes on serving; why it is stale stands in the log, not in an answer to everybody.
        return status.state === 'stale'
          ? {
              ok: true,
              remark: `stale for ${Math.round(status.ageMs / 1000)}s: the last good policy is in force`,
            }
          : { ok: true };
      },
    })),
    {
      name: 'policy-staleness',
      check: () => ({ ok: open?.policy.unavailable() === undefined }),
    },
    { name: 'shutdown', check: () => ({ ok: !isDraining() }) },
  ];
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

/** Resolves when the last connection is closed: by itself, or at the deadline. */
function drain(server: Server, connections: Connections, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      connections.destroyAll();
    }, timeoutMs);
    // The listening socket's own `close`: the server's would also cut answers whose last bytes are on their way.
    NetServer.prototype.close.call(server, () => {
      clearTimeout(deadline);
      server.close();
      resolve();
    });
    connections.drain();
  });
}
