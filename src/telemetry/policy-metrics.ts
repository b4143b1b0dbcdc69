import type { Registry } from 'prom-client';
import type { PolicyLayerStatus } from '../policy/policy.js';
import type { SnapshotResult } from '../policy/snapshot/policy-snapshot.js';
import type { ApiServerObserver } from '../policy/sources/api-server.js';
import { counts, gauge, observes, recorder, register } from './metric-table.js';
import { RestClientMetrics } from './outgoing-metrics.js';
import { aFunction, aRegister, checkArgument } from '../option-checks.js';

/** Shows the state of a policy's layers, read at each scrape. */
export function registerPolicyMetrics(registry: Registry, status: () => readonly PolicyLayerStatus[]): void {
  checkArgument('registry', registry, aRegister);
  checkArgument('status', status, aFunction);
  const ofLayers = <Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    read: (layer: PolicyLayerStatus) => [Readonly<Record<Label, string>>, number | undefined][],
  ) => gauge(name, help, { labels, read: () => status().flatMap(read) });
  register(registry, {
    age: ofLayers(
      'kcp_metrics_filter_policy_age_seconds',
      'Time since a policy layer was last in sync with its source; 0 while it is.',
      ['layer'],
      ({ layer, ageMs }) => [[{ layer }, ageMs / 1000]],
    ),
    lastSync: ofLayers(
      'kcp_metrics_filter_policy_last_sync_timestamp_seconds',
      'When a policy layer was last in sync with its source, in seconds since the epoch.',
      ['layer'],
      ({ layer, syncedAt }) => [[{ layer }, syncedAt && syncedAt / 1000]],
    ),
    inForce: ofLayers(
      'kcp_metrics_filter_policy_in_force',
      'Whether a policy layer is used for decisions (1) or is a fallback that waits (0).',
      ['layer'],
      ({ layer, inForce }) => [[{ layer }, Number(inForce)]],
    ),
    state: ofLayers(
      'kcp_metrics_filter_policy_state',
      'Whether a policy layer is in a state (1) or not (0).',
      ['layer', 'state'],
      ({ layer, state: current }) =>
        ['syncing', 'synced', 'stale'].map((state) => [{ layer, state }, Number(state === current)]),
    ),
    objects: ofLayers(
      'kcp_metrics_filter_policy_objects',
      'Objects of a policy layer, by kind.',
      ['layer', 'kind'],
      ({ layer, clusterRoles, clusterRoleBindings, logicalClusters }) => [
        [{ layer, kind: 'ClusterRole' }, clusterRoles],
        [{ layer, kind: 'ClusterRoleBinding' }, clusterRoleBindings],
        [{ layer, kind: 'LogicalCluster' }, logicalClusters],
      ],
    ),
  });
}

/**
 * Counts what policy sources do: how lists and watches end, and each request to an API server under Kubernetes' names
 * and buckets.
 */
export class PolicySourceMetrics extends recorder({
  listed: counts<[source: string, kind: string, method: string, result: string]>(
    'kcp_metrics_filter_policy_lists_total{source,kind,method,result}',
    'Lists of a kind of object from an API server, by how they ended.',
  ),
  watched: counts<[source: string, kind: string, result: string]>(
    'kcp_metrics_filter_policy_watches_total{source,kind,result}',
    'Watches of a kind of object that ended, by result; servers close watches from time to time.',
  ),
  restarted: counts<[source: string, kind: string]>(
    'kcp_metrics_filter_policy_watch_restarts_total{source,kind}',
    'Lists and watches restarted after a failure.',
  ),
  appliedIn: observes<[source: string]>(
    'kcp_metrics_filter_policy_apply_duration_seconds{source}',
    [0.00001, 0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1],
    'Time from the arrival of a change until decisions follow it, in seconds.',
  ),
  snapshots: counts<[operation: string, result: string]>(
    'kcp_metrics_filter_policy_snapshots_total{operation,result}',
    'Reads and writes of the policy snapshot, by operation and result.',
  ),
}) {
  /**
   * `requests` may be shared with other clients of API servers.
   * @throws Error where the registry already holds one of the names.
   */
  constructor(
    registry: Registry,
    private readonly requests = new RestClientMetrics(registry),
  ) {
    super(registry);
  }

  observerOf(source: string): ApiServerObserver {
    return {
      request: (request) => {
        this.requests.request(request);
      },
      listed: (kind, method, result) => {
        this.listed(source, kind, method, result);
      },
      watched: (kind, result) => {
        this.watched(source, kind, result);
      },
      retrying: (kind) => {
        this.restarted(source, kind);
      },
      applied: (_kind, seconds) => {
        this.appliedIn(seconds, source);
      },
    };
  }

  snapshot({ operation, result }: SnapshotResult): void {
    this.snapshots(operation, result);
  }
}
