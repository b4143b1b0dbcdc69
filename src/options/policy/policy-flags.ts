import { openPolicy, type OpenPolicy, type OpenPolicyOptions } from '../../policy/open-policy.js';
import type { SnapshotResult } from '../../policy/snapshot/snapshot-restore.js';
import { DanglingBindingWarnings } from './dangling-binding-warnings.js';
import { parseDuration } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import {
  namesApiServer,
  policySourcesOf,
  sourceFlag,
  type PolicySourceEvents,
} from './policy-source-flags.js';
import { UsageError, usageError } from '../usage-error.js';

export const maxPolicyStaleness: Flag = {
  name: '--max-policy-staleness',
  value: 'duration',
  description: 'how long a policy may decide after its source was lost, such as 1h; without it, for ever',
};
export const policySnapshot: Flag = {
  name: '--policy-snapshot',
  value: 'file',
  description:
    'file that keeps the policy of the API servers over a restart: should they be down then, it is served from there, stale',
};

/** How a policy is kept, wherever it comes from. */
export const policyKeepingFlags: readonly Flag[] = [maxPolicyStaleness, policySnapshot];

export interface PolicyEvents extends PolicySourceEvents {
  readonly onSnapshot?: (result: SnapshotResult) => void;
  /** As `openPolicy` takes it. */
  readonly through?: OpenPolicyOptions['through'];
}

/**
 * Opens the policy that the flags describe, and follows it. Gives API servers `waitMs` to answer.
 *
 * @throws UsageError naming the flag.
 */
export async function openPolicyOf(
  values: FlagValues,
  events: PolicyEvents,
  waitMs = 0,
): Promise<OpenPolicy> {
  const { onWarning, onSnapshot, through } = events;
  const snapshotFile = snapshotFileOf(values);
  const warnings = new DanglingBindingWarnings(onWarning);
  const open = await openPolicy({
    ...policySourcesOf(values, events),
    ...maxStalenessOf(values),
    ...(snapshotFile === undefined ? {} : { snapshotFile }),
    ...(onSnapshot === undefined ? {} : { onSnapshot }),
    ...(through === undefined ? {} : { through }),
    onChange: warnings.changed,
  }).catch((error: unknown) => {
    // A source's fault names its flag already.
    throw error instanceof UsageError || snapshotFile === undefined
      ? error
      : usageError(policySnapshot.name, error);
  });
  await open.settled(waitMs);
  await warnings.look(open.policy);
  return {
    policy: open.policy,
    settled: (timeoutMs) => open.settled(timeoutMs),
    close: async () => {
      warnings.close();
      await open.close();
    },
  };
}

/** Reads what the flags say of the policy, so that a fault ends a start that needs none. @throws UsageError */
export function checkPolicyFlags(values: FlagValues): void {
  policySourcesOf(values, { onWarning: () => undefined });
  maxStalenessOf(values);
  snapshotFileOf(values);
}

/** How long a command that ends soon waits for API servers (ms). */
const offlineTimeoutMs = 10_000;

/** The policy for one answer: its warnings are printed once it is open, so that a fault is one line alone. */
export async function openPolicyOffline(
  values: FlagValues,
  printError: (line: string) => void,
): Promise<OpenPolicy> {
  const warnings: string[] = [];
  const events = { onWarning: (message: string) => warnings.push(message) };
  const open = await openPolicyOf(values, events, offlineTimeoutMs);
  const missing = (await open.settled(0)).map(
    ({ layer, reason }) => `${sourceFlag(layer).name}: ${reason ?? 'the server has not answered'}`,
  );
  if (open.policy.unavailable() !== undefined) {
    await open.close();
    throw new UsageError(missing.join('; '));
  }
  for (const message of [...warnings, ...missing]) printError(message);
  return open;
}

function snapshotFileOf(values: FlagValues): string | undefined {
  const file = valueOf(values, policySnapshot);
  if (file === undefined || namesApiServer(values)) return file;
  throw new UsageError(`${policySnapshot.name}: needs --root-kubeconfig or --cache-kubeconfig`);
}

/** @throws UsageError naming the flag. */
export function maxStalenessOf(values: FlagValues): { readonly maxStalenessMs?: number } {
  const staleness = valueOf(values, maxPolicyStaleness);
  return staleness === undefined ? {} : { maxStalenessMs: parseDuration(maxPolicyStaleness.name, staleness) };
}
