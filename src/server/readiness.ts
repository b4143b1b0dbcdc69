import type { OpenPolicy } from '../policy/open-policy.js';
import type { HealthCheck } from './health.js';

/** What `/readyz` asks: a policy for each source, none of them too old, and no shutdown. */
export function readinessChecks(
  open: OpenPolicy | undefined,
  isDraining: () => boolean,
): readonly HealthCheck[] {
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
