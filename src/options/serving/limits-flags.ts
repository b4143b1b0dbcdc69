import type { ConnectionLimits } from '../../server/connection-limits.js';
import type { RequestLimits } from '../../server/request-limits.js';
import type { Flag, FlagValues } from '../flags.js';
import { boundedCountOf, boundedDurationOf } from './bounded-values.js';

const maxRequestsByIdentity: Flag = {
  name: '--max-requests-per-second-by-identity',
  value: 'count',
  default: '0',
  description:
    'requests a second that a user may go on sending, and twice as many at once; any beyond are answered 429; health is not counted; 50 suits scrapers; 0: no bound',
};
const maxRequestsByAddress: Flag = {
  name: '--max-requests-per-second-by-address',
  value: 'count',
  default: '0',
  description:
    'the same for an IPv4 address or an IPv6 /64, before anyone is asked who sends them; not for a verified front proxy; 100 suits scrapers with addresses of their own; 0: no bound',
};
const maxConnections: Flag = {
  name: '--max-connections',
  value: 'count',
  default: '10000',
  description: 'connections that may be open at once; any beyond are closed; 0: no bound',
};
const maxConnectionsByAddress: Flag = {
  name: '--max-connections-by-address',
  value: 'count',
  default: '0',
  description: 'the same for an IPv4 address or an IPv6 /64; 0: no bound',
};
const maxHandshakeTimeByAddress: Flag = {
  name: '--max-handshake-time-by-address',
  value: 'duration',
  default: '500ms',
  description:
    'how long TLS handshakes with costly certificates from an IPv4 address or an IPv6 /64 may hold up everything else in ten seconds; then its connections are closed until that time has come again; 0s: no bound',
};
const maxHeaderBytes: Flag = {
  name: '--max-header-bytes',
  value: 'bytes',
  default: '32768',
  description: 'how long a request line with its header may be; a longer one is answered 431',
};
const headerTimeout: Flag = {
  name: '--header-timeout',
  value: 'duration',
  default: '10s',
  description:
    'how long a request line with its header may take, and a new connection until one has come; then it is closed',
};
const idleTimeout: Flag = {
  name: '--idle-timeout',
  value: 'duration',
  default: '1m15s',
  description: 'how long a connection is kept open without a request; longer than scrape intervals, best',
};
const tlsHandshakeTimeout: Flag = {
  name: '--tls-handshake-timeout',
  value: 'duration',
  default: '10s',
  description: 'how long a TLS handshake may take before its connection is closed',
};

/**
 * What strangers and friends alike may cost. Nothing is bounded by address or identity unless told to: only who runs the
 * server knows how many scrapers one of them stands for.
 */
export const limitsFlags: readonly Flag[] = [
  maxRequestsByIdentity,
  maxRequestsByAddress,
  maxConnections,
  maxConnectionsByAddress,
  maxHandshakeTimeByAddress,
  maxHeaderBytes,
  headerTimeout,
  idleTimeout,
  tlsHandshakeTimeout,
];

export interface LimitsConfiguration {
  readonly requestLimits: RequestLimits;
  readonly connectionLimits: ConnectionLimits;
}

const maxCount = 1_000_000;
const minHeaderBytes = 4096;
const maxMaxHeaderBytes = 256 * 1024;
/** The longest is all of the time. */
const handshakeTimes = { least: '0s', most: '10s' };
/** The longest is what setTimeout takes, less than a day off. */
const timeouts = { least: '1ms', most: '596h' };
/** Node would keep idle connections for ever with less. */
const idleTimeouts = { least: '1s', most: '595h' };

/** @throws UsageError naming the flag. */
export function limitsOf(values: FlagValues): LimitsConfiguration {
  return {
    requestLimits: {
      perSecondByIdentity: boundedCountOf(values, maxRequestsByIdentity, 0, maxCount),
      perSecondByAddress: boundedCountOf(values, maxRequestsByAddress, 0, maxCount),
    },
    connectionLimits: {
      maxConnections: boundedCountOf(values, maxConnections, 0, maxCount),
      maxConnectionsByAddress: boundedCountOf(values, maxConnectionsByAddress, 0, maxCount),
      maxHandshakeMsByAddress: boundedDurationOf(values, maxHandshakeTimeByAddress, handshakeTimes),
      maxHeaderBytes: boundedCountOf(values, maxHeaderBytes, minHeaderBytes, maxMaxHeaderBytes),
      headerTimeoutMs: boundedDurationOf(values, headerTimeout, timeouts),
      idleTimeoutMs: boundedDurationOf(values, idleTimeout, idleTimeouts),
      tlsHandshakeTimeoutMs: boundedDurationOf(values, tlsHandshakeTimeout, timeouts),
    },
  };
}
