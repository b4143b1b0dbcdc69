import { isIP } from 'node:net';
import { given as presentOnly } from '../given.js';
import { audit } from './audit-options.js';
import { blaming, excludes, fault, topic, type GivenOptions, flagName } from './option.js';
import { count, list, parsed, port, text, duration } from './option-kinds.js';
import type { ServerOptions } from '../server/server-options.js';

export const listening = topic('Serving', {
  bindAddress: parsed(text('address', '0.0.0.0', 'IP address to listen on'), ipAddress),
  securePort: port(6443, 'port to listen on; 0 takes a free one and logs it'),
});

function ipAddress(address: string): string {
  if (isIP(address) !== 0) return address;
  throw new RangeError(`${JSON.stringify(address)} is not an IP address`);
}

/** What is served before anyone is authenticated. */
export const servedPaths = topic(
  'Serving',
  {
    allowPaths: list(
      'globs',
      undefined,
      'globs of the paths that are served at all, such as /metrics; others are 404; health always is',
    ),
    ignorePaths: list(
      'globs',
      undefined,
      `globs of metrics paths that are served to everybody, such as /metrics/slis; * matches no slash; not beside ${flagName('allowPaths')}`,
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
  return presentOnly({
    allowPaths: allowPaths.length > 0 ? allowPaths : undefined,
    ignorePaths: ignorePaths.length > 0 ? ignorePaths : undefined,
  });
}

export const workers = topic('Serving', {
  workers: count(
    1,
    { min: 1, max: 64 },
    'processes that serve the port together; with more than 1, one more holds the policy, the limit of renderings and the metrics for all of them',
  ),
});

/** @throws UsageError naming the option. */
export function workersOf(given: GivenOptions): number {
  const { workers: processes } = workers.read(given);
  const { auditLogPath = '-' } = audit.read(given);
  // Each would rotate it under the others.
  if (processes > 1 && auditLogPath !== '-') {
    const { name } = audit.options.auditLogPath;
    throw fault(workers.options.workers, `more than 1 cannot share a file of ${name}; - can be`);
  }
  return processes;
}

const most = { max: 1_000_000 };
/** The longest is what a timer takes, less than a day off. */
const timeouts = { min: '1ms', max: '596h' };

/**
 * What any client may cost. Nothing is bounded by address or identity unless told to: only whoever runs the server
 * knows how many scrapers one of them stands for.
 */
export const limits = topic('Limits', {
  maxRequestsPerSecondByIdentity: count(
    0,
    most,
    'requests a second that a user may go on sending, and twice as many at once; any beyond are answered 429; health is not counted; 50 suits scrapers; 0: no bound',
  ),
  maxRequestsPerSecondByAddress: count(
    0,
    most,
    'the same for an IPv4 address or an IPv6 /64, before anyone is asked who sends them; not for a verified front proxy; 100 suits scrapers with addresses of their own; 0: no bound',
  ),
  maxConnections: count(
    10_000,
    most,
    'connections that may be open at once; any beyond are closed; 0: no bound',
  ),
  maxConnectionsByAddress: count(0, most, 'the same for an IPv4 address or an IPv6 /64; 0: no bound'),
  // The longest is all of the time.
  maxHandshakeTimeByAddress: duration(
    '500ms',
    { max: '10s' },
    'how long TLS handshakes with costly certificates from an IPv4 address or an IPv6 /64 may hold up everything else in ten seconds; then its connections are closed until that time has come again; 0s: no bound',
  ),
  maxHeaderBytes: count(
    32_768,
    { min: 4096, max: 256 * 1024, unit: 'bytes' },
    'how long a request line with its header may be; a longer one is answered 431',
  ),
  headerTimeout: duration(
    '10s',
    timeouts,
    'how long a request line with its header may take, and a new connection until one has come; then it is closed',
  ),
  // Node would keep idle connections for ever with less.
  idleTimeout: duration(
    '1m15s',
    { min: '1s', max: '595h' },
    'how long a connection is kept open without a request; longer than scrape intervals, best',
  ),
  tlsHandshakeTimeout: duration(
    '10s',
    timeouts,
    'how long a TLS handshake may take before its connection is closed',
  ),
});

/** @throws UsageError naming the option. */
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

/** How the server ends. */
export const shutdown = topic('Maintenance and shutdown', {
  shutdownDelayDuration: duration(
    '0s',
    bounds,
    'how long everything is served on after SIGTERM, while /readyz fails, so that others learn to stay away',
  ),
  shutdownTimeout: duration(
    '30s',
    bounds,
    'how long requests under way may take after that before they are cut',
  ),
});
