import { Gauge, type Registry } from 'prom-client';
import type { PolicyLayerStatus } from '../policy/policy.js';

const prefix = 'kcp_metrics_filter';

/** Shows the state of a policy's layers, read at each scrape. */
export function registerPolicyMetrics(registry: Registry, status: () => readonly PolicyLayerStatus[]): void {
  const registers = [registry];
  new Gauge({
    name: `${prefix}_policy_age_seconds`,
    help: 'Time since a policy layer was last known to be in step with its source; 0 while it is.',
    labelNames: ['layer'],
    registers,
    collect() {
      for (const { layer, ageMs } of status()) this.set({ layer }, ageMs / 1000);
    },
  });
  new Gauge({
    name: `${prefix}_policy_last_sync_timestamp_seconds`,
    help: 'When a policy layer was last known to be in step with its source, in seconds since the epoch.',
    labelNames: ['layer'],
    registers,
    collect() {
      for (const { layer, syncedAt } of status()) {
        if (syncedAt !== undefined) this.set({ layer }, syncedAt / 1000);
      }
    },
  });
  new Gauge({
    name: `${prefix}_policy_in_force`,
    help: 'Whether decisions are made on a policy layer (1), or it waits as a fallback (0).',
    labelNames: ['layer'],
    registers,
    collect() {
      for (const { layer, inForce } of status()) this.set({ layer }, inForce ? 1 : 0);
    },
  });
  new Gauge({
    name: `${prefix}_policy_state`,
    help: 'Whether a policy layer is in a state (1) or not (0).',
    labelNames: ['layer', 'state'],
    registers,
    collect() {
      for (const { layer, state } of status()) {
        for (const candidate of ['syncing', 'synced', 'stale']) {
          this.set({ layer, state: candidate }, candidate === state ? 1 : 0);
        }
      }
    },
  });
  new Gauge({
    name: `${prefix}_policy_objects`,
    help: 'Objects of a policy layer, by kind.',
    labelNames: ['layer', 'kind'],
    registers,
    collect() {
      for (const { layer, clusterRoles, clusterRoleBindings } of status()) {
        this.set({ layer, kind: 'ClusterRole' }, clusterRoles);
        this.set({ layer, kind: 'ClusterRoleBinding' }, clusterRoleBindings);
      }
    },
  });
}
