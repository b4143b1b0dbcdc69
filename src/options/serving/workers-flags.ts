import { auditLogOptionsOf, auditLogPathFlag } from '../audit/audit-flags.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';

const workers: Flag = {
  name: '--workers',
  value: 'count',
  default: '1',
  description:
    'processes that serve the port together; with more than 1, one more holds the policy, the limit of renderings and the metrics for all of them',
};

export const workersFlags: readonly Flag[] = [workers];

const maxWorkers = 64;

/** @throws UsageError naming the flag. */
export function workersOf(values: FlagValues): number {
  const text = valueOf(values, workers) ?? '';
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < 1 || count > maxWorkers) {
    throw new UsageError(`${workers.name}: ${JSON.stringify(text)} is not between 1 and ${maxWorkers}`);
  }
  // Each would rotate it under the others.
  if (count > 1 && (auditLogOptionsOf(values)?.path ?? '-') !== '-') {
    throw new UsageError(`${workers.name}: more than 1 cannot share a file of ${auditLogPathFlag}; - can be`);
  }
  return count;
}
