import type { VirtualClusterStatus } from '../../kubernetes/virtual-cluster.js';
import type { PolicyLayerStatus } from '../../policy/policy.js';
import type { CertificateStatus } from '../../telemetry/server-metrics.js';
import type { CountedRefusal } from './refusal-tally.js';

/** The content of `/statusz`; times in ms since the epoch. */
export interface ServerStatus {
  readonly version: string;
  /** Whose path rules apply. */
  readonly mode: string;
  readonly startedAt: number;
  /** Whether other processes answer on the same port, each with a status of its own. Default false. */
  readonly isOneOfWorkers?: boolean;
  /** As `Policy.status()` tells it. Default: none. */
  readonly policy?: readonly PolicySourceStatus[];
  readonly virtualCluster?: VirtualClusterStatus;
  readonly certificates?: readonly CertificateStatus[];
  /** Their names in the order they are asked. */
  readonly authenticators: readonly string[];
  readonly authorizers: readonly string[];
  /** As a `RefusalTally` counts them. Default: none. */
  readonly refusals?: readonly CountedRefusal[];
  /** Whose metrics are passed on. Default: none. */
  readonly upstreams?: readonly UpstreamAddress[];
}

export type PolicySourceStatus = Omit<PolicyLayerStatus, 'syncedAt'>;

export interface UpstreamAddress {
  /** Where it is served, or its name among several. */
  readonly name: string;
  /** Credentials and queries are not shown. */
  readonly url: string;
}

export interface FlagInForce {
  /** Without its dashes. */
  readonly name: string;
  readonly value: string;
}
