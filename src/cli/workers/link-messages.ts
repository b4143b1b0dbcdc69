import type { Cluster } from 'node:cluster';
import { createRequire } from 'node:module';
import type { PolicyObject } from '../../policy/objects.js';
import type { PolicyChange } from '../../policy/index/policy-index.js';
import type { KeyPair } from '../../server/serving-certificates.js';
import type { GivenOptions } from '../../options/option.js';

/** Marks a process as a worker of this program rather than of another cluster. */
export const workerVariable = 'KCP_METRICS_FILTER_WORKER';

export function isWorkerProcess(): boolean {
  if (process.env[workerVariable] !== 'true') return false;
  // Loaded with child processes and sockets, which most commands do without.
  return (createRequire(import.meta.url)('node:cluster') as Cluster).isWorker;
}

/** On every message between the primary and its workers. */
const protocol = 'kcp-metrics-filter/workers/1';

/** A union of messages by their kind. */
type Messages<Kinds> = {
  [Kind in keyof Kinds]: { readonly kind: Kind } & Readonly<Kinds[Kind]>;
}[keyof Kinds];

/** One step of a layer's policy, as a PolicySink takes it. Ages are milliseconds, since clocks differ. */
export type PolicyOperation = Messages<{
  /** For the next replace operation. */
  objects: { layer: string; objects: readonly PolicyObject[] };
  replace: { layer: string };
  'replace-kind': { layer: string; of: PolicyObject['kind'] };
  restore: { layer: string; reason: string; ageMs: number };
  apply: { layer: string; change: PolicyChange };
  synced: { layer: string };
  stale: { layer: string; reason: string; ageMs: number };
  /** A worker that has just begun knows everything now. */
  whole: object;
}>;

export type PrimaryMessage = Messages<{
  begin: {
    /** As the primary has read them: the configuration file may have changed since. */
    values: GivenOptions;
    /** The policy's layers; undefined without a policy. */
    layers: readonly string[] | undefined;
    /** Served by every worker if no certificate is configured. */
    selfSigned: KeyPair | undefined;
    /** Replaces port 0, once known. */
    port: number | undefined;
  };
  policy: { operations: readonly PolicyOperation[] };
  /** The primary is alive. */
  pulse: object;
  drain: object;
  'scrape-head': { scrape: number; contentType: string; contentLength?: number };
  'scrape-chunk': { scrape: number; bytes: Uint8Array };
  'scrape-end': { scrape: number };
  'scrape-failed': { scrape: number };
  /** A granted place is for one rendering, or for one after the other until it is recalled. */
  place: { place: number; grant: 'refused' | 'once' | 'until-recalled' };
  /** A rendering waits for a place: give back those that are idle now, and the others after their rendering. */
  'recall-places': object;
}>;

export type WorkerMessage = Messages<{
  /** Ready for messages from the primary. */
  started: object;
  /** The operations of one message are in force. */
  applied: object;
  listening: { url: string; port: number; selfSigned: KeyPair | undefined };
  scrape: { scrape: number; group: string; accept: string; timeoutSeconds: number | undefined };
  'scrape-taken': { scrape: number };
  'scrape-abandoned': { scrape: number };
  enter: { place: number; scraper: string | undefined };
  leave: { place: number };
}>;

export function sealed(message: PrimaryMessage | WorkerMessage): object {
  return { protocol, message };
}

/** What the other end says; undefined for anything else that comes over the channel. Both ends are one program. */
export function unsealed(received: unknown): unknown {
  if (typeof received !== 'object' || received === null) return undefined;
  const isSealed = 'protocol' in received && received.protocol === protocol && 'message' in received;
  return isSealed ? received.message : undefined;
}
