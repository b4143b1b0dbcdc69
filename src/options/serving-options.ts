import { isIP } from 'node:net';
import { given as presentOnly } from '../given.js';
import { audit } from './audit-options.js';
import { blaming, excludes, fault, topic, type GivenOptions } from './option.js';
import { count, list, parsed, port, text } from './option-kinds.js';

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
      `globs of metrics paths that are served to everybody, such as /metrics/slis; * matches no slash; not beside --allow-paths`,
    ),
  },
  [excludes('ignorePaths', 'allowPaths')],
);

export interface PathGlobs {
  readonly allowPaths?: readonly string[];
  readonly ignorePaths?: readonly string[];
}

/** Undefined where none is given. @throws UsageError naming the option. */
export async function pathGlobsOf(given: GivenOptions): Promise<PathGlobs> {
  const { allowPaths, ignorePaths } = servedPaths.read(given);
  // Compiled once, to see whether they can be.
  if (allowPaths.length > 0) {
    const { allowedPaths } = await import('../request/steps/listed-paths.js');
    blaming(servedPaths.options.allowPaths, () => allowedPaths(allowPaths));
  }
  if (ignorePaths.length > 0) {
    const { ignoredPaths } = await import('../request/steps/listed-paths.js');
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
