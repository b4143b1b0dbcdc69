import type { AuditEvent } from '../request/steps/audit.js';
import type { Maintenance } from '../request/steps/refuse-in-maintenance.js';
import type { MetricsFilterOptions } from '../request/guard.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { ConnectionLimits } from './connection-limits.js';
import type { HealthObserver } from './health.js';
import type { Logger } from './logger.js';
import type { RequestLimits } from './request-limits.js';
import type { ServedZPagesOptions } from './served-z-pages.js';
import type { TlsOptions } from './tls.js';

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
