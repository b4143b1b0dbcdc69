import type { ServerGuardOptions } from '../request/guard.js';
import type { CertificateStatus, HealthObserver } from '../telemetry/server-metrics.js';
import type { ConnectionLimits } from './connection-limits.js';
import type { Followed } from './health.js';
import type { TlsOptions } from './tls.js';
import type { FlagInForce, UpstreamAddress } from './z-pages/server-status.js';

export interface ServerOptions extends ServerGuardOptions, Followed {
  /** Default `127.0.0.1`. */
  readonly bindAddress?: string;
  /** Default 0: a free port. */
  readonly port?: number;
  readonly tls: TlsOptions;
  /** Called with the result of every health check that an endpoint runs. */
  readonly onHealthResult?: HealthObserver;
  readonly logger: Logger;
  readonly connectionLimits?: ConnectionLimits;
  /** Serves `/statusz`, `/flagz` and `/`, each to clients that may read that path. Default: they are 404. */
  readonly zPages?: ServedZPagesOptions;
  /** How long a connection may make no progress before it is closed (ms). Default 60,000. */
  readonly stallTimeoutMs?: number;
  /** How long `close` keeps serving everything while `/readyz` fails (ms). Default 0. */
  readonly shutdownDelayMs?: number;
  /** How long requests in progress may take after that (ms). Default 30,000. */
  readonly shutdownTimeoutMs?: number;
}

/** The part of a structured logger (pino, bunyan) that the server uses. It never gets a header or a credential. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Whether lines of this level are written. Default: all are. */
  isLevelEnabled?(level: 'debug'): boolean;
}

/** Contents of the status pages that the server does not know itself. */
export interface ServedZPagesOptions {
  /** Those of `/flagz`. Default: there is no such page. */
  readonly flags?: readonly FlagInForce[];
  /** Asked at each request. Default: none. */
  readonly certificates?: () => readonly CertificateStatus[];
  readonly upstreams?: readonly UpstreamAddress[];
  /** Whether other processes answer on the same port. Default false. */
  readonly isOneOfWorkers?: boolean;
}
