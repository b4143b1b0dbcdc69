import { isIP } from 'node:net';
import { audit } from './audit-options.js';
import { blaming, excludes, fault, topic, type GivenOptions, flagName } from './option.js';
import { count, list, parsed, port, text, duration } from './option-kinds.js';
import type { ServerOptions } from '../server/server-options.js';

export const listening = topic('Serving', {
  bindAddress: parsed(text('address', '0.0.0.0'), ipAddress).help('IP address to listen on'),
  securePort: port(6443).help('port to listen on; 0 picks a free one and logs it'),
});

function ipAddress(address: string): string {
  if (isIP(address) !== 0) return address;
  throw new RangeError(`${JSON.stringify(address)} is not an IP address`);
}

/** What is served before anyone is authenticated. */
export const servedPaths = topic(
  'Serving',
  {
    allowPaths: list('globs').help(
      'globs of the paths to serve, such as /metrics; others are answered 404; health checks are always served',
    ),
    ignorePaths: list('globs').help(
      `globs of metrics paths to serve without authentication, such as /metrics/slis; * matches no slash; not with ${flagName('allowPaths')}`,
    ),
  },
  [excludes('ignorePaths', 'allowPaths')],
);

/** Undefined where none is given. @throws UsageError naming the option. */
export async function pathGlobsOf(given: GivenOptions) {
  const { allowPaths, ignorePaths } = servedPaths.read(given);
  // Compiled once, to see whether they can be.
  if (allowPaths.length + ignorePaths.length > 0) {
    const { allowedPaths, ignoredPaths } = await import('../request/steps/listed-paths.js');
    blaming(servedPaths.options.allowPaths, () => allowedPaths(allowPaths));
    blaming(servedPaths.options.ignorePaths, () => ignoredPaths(ignorePaths));
  }
  return { ...(allowPaths.length > 0 && { allowPaths }), ...(ignorePaths.length > 0 && { ignorePaths }) };
}

export const workers = topic('Serving', {
  workers: count(1, { min: 1, max: 64 }).help(
    'number of processes that serve the port; with more than 1, an additional primary process holds the policy, the rendering limit and the metrics of all',
  ),
});

export function workersOf(given: GivenOptions): number {
  const { workers: processes } = workers.read(given);
  const { auditLogPath = '-' } = audit.read(given);
  if (processes === 1 || auditLogPath === '-') return processes;
  // Each worker would rotate the file of the others.
  const { name } = audit.options.auditLogPath;
  throw fault(workers.options.workers, `more than 1 worker cannot write to the file of ${name}; use -`);
}

const most = { max: 1_000_000 };
/** The longest is just below what a timer accepts. */
const timeouts = { min: '1ms', max: '596h' };

/**
 * What any client may cost. Limits by address or identity are off by default: only the operator knows how many
 * scrapers share one.
 */
export const limits = topic('Limits', {
  maxRequestsPerSecondByIdentity: count(0, most).help(
    'requests per second of a user, with bursts of twice as many; more are answered 429; health checks do not count; 50 suits scrapers; 0: no limit',
  ),
  maxRequestsPerSecondByAddress: count(0, most).help(
    'requests per second of an IPv4 address or IPv6 /64, counted before authentication; verified front proxies are exempt; 100 suits scrapers with addresses of their own; 0: no limit',
  ),
  maxConnections: count(10_000, most).help(
    'maximum number of open connections; more are closed; 0: no limit',
  ),
  maxConnectionsByAddress: count(0, most).help(
    'maximum number of open connections of an IPv4 address or IPv6 /64; 0: no limit',
  ),
  // The maximum is the whole ten seconds.
  maxHandshakeTimeByAddress: duration('500ms', { max: '10s' }).help(
    'CPU time in ten seconds for TLS handshakes with costly certificates from an IPv4 address or IPv6 /64; its connections are closed while it is over that; 0s: no limit',
  ),
  maxHeaderBytes: count(32_768, { min: 4096, max: 256 * 1024, unit: 'bytes' }).help(
    'maximum size of the request line and headers; larger requests are answered 431',
  ),
  headerTimeout: duration('10s', timeouts).help(
    'how long a client may take to send the request line and headers, also after connecting, before the connection is closed',
  ),
  // With less, Node would keep idle connections forever.
  idleTimeout: duration('1m15s', { min: '1s', max: '595h' }).help(
    'how long an idle connection stays open; best longer than the scrape interval',
  ),
  tlsHandshakeTimeout: duration('10s', timeouts).help(
    'how long a TLS handshake may take before its connection is closed',
  ),
});

export function limitsOf(given: GivenOptions): Pick<ServerOptions, 'requestLimits' | 'connectionLimits'> {
  const values = limits.read(given);
  return {
    requestLimits: {
      perSecondByIdentity: values.maxRequestsPerSecondByIdentity,
      perSecondByAddress: values.maxRequestsPerSecondByAddress,
    },
    connectionLimits: {
      maxConnections: values.maxConnections,
      maxConnectionsByAddress: values.maxConnectionsByAddress,
      maxHandshakeMsByAddress: values.maxHandshakeTimeByAddress,
      maxHeaderBytes: values.maxHeaderBytes,
      headerTimeoutMs: values.headerTimeout,
      idleTimeoutMs: values.idleTimeout,
      tlsHandshakeTimeoutMs: values.tlsHandshakeTimeout,
    },
  };
}

const bounds = { max: '24h' };

export const shutdown = topic('Maintenance and shutdown', {
  shutdownDelayDuration: duration('0s', bounds).help(
    'how long to keep serving after SIGTERM while /readyz fails, so that clients and load balancers move away',
  ),
  shutdownTimeout: duration('30s', bounds).help(
    'how long running requests may take after that before their connections are closed',
  ),
});
