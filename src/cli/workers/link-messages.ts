import cluster from 'node:cluster';
import type { PolicyObject } from '../../policy/objects.js';
import type { PolicyChange } from '../../policy/index/policy-index.js';
import type { KeyPair } from '../../server/serving-certificates.js';
import type { GivenOptions } from '../../options/option.js';

/** Marks a process as a worker of this program rather than of another cluster. */
export const workerVariable = 'KCP_METRICS_FILTER_WORKER';

export function isWorkerProcess(): boolean {
  return cluster.isWorker && process.env[workerVariable] === 'true';
}

/** On every message between the primary and its workers. */
const protocol = 'kcp-metrics-filter/workers/1';

/** One step of a layer's policy, as a PolicySink takes it. Ages are milliseconds, since clocks differ. */
export type PolicyOperation =
  | { readonly kind: 'objects'; readonly layer: string; readonly objects: readonly PolicyObject[] }
  | { readonly kind: 'replace'; readonly layer: string }
  | { readonly kind: 'replace-kind'; readonly layer: string; readonly of: PolicyObject['kind'] }
  | { readonly kind: 'restore'; readonly layer: string; readonly reason: string; readonly ageMs: number }
  | { readonly kind: 'apply'; readonly layer: string; readonly change: PolicyChange }
  | { readonly kind: 'synced'; readonly layer: string }
  | { readonly kind: 'stale'; readonly layer: string; readonly reason: string; readonly ageMs: number }
  /** A worker that has just begun knows everything now. */
  | { readonly kind: 'whole' };

export type PrimaryMessage =
  | {
      readonly kind: 'begin';
      /** As the primary has read them: the configuration file may have changed since. */
      readonly values: GivenOptions;
      /** The policy's layers; undefined without a policy. */
      readonly layers: readonly string[] | undefined;
      /** Served by every worker if no certificate is configured. */
      readonly selfSigned: KeyPair | undefined;
      /** Replaces port 0, once known. */
      readonly port: number | undefined;
    }
  | { readonly kind: 'policy'; readonly operations: readonly PolicyOperation[] }
  | { readonly kind: 'pulse' }
  | { readonly kind: 'drain' }
  | {
      readonly kind: 'scrape-head';
      readonly scrape: number;
      readonly contentType: string;
      readonly contentLength?: number;
    }
  | { readonly kind: 'scrape-chunk'; readonly scrape: number; readonly bytes: Uint8Array }
  | { readonly kind: 'scrape-end'; readonly scrape: number }
  | { readonly kind: 'scrape-failed'; readonly scrape: number }
  | { readonly kind: 'place'; readonly place: number; readonly isGranted: boolean };

export type WorkerMessage =
  /** Ready for messages from the primary. */
  | { readonly kind: 'started' }
  /** The operations of one message are in force. */
  | { readonly kind: 'applied' }
  | {
      readonly kind: 'listening';
      readonly url: string;
      readonly port: number;
      readonly selfSigned: KeyPair | undefined;
    }
  | {
      readonly kind: 'scrape';
      readonly scrape: number;
      readonly group: string;
      readonly accept: string;
      readonly timeoutSeconds: number | undefined;
    }
  | { readonly kind: 'scrape-taken'; readonly scrape: number }
  | { readonly kind: 'scrape-abandoned'; readonly scrape: number }
  | { readonly kind: 'enter'; readonly place: number; readonly scraper: string | undefined }
  | { readonly kind: 'leave'; readonly place: number };

export function sealed(message: PrimaryMessage | WorkerMessage): object {
  return { protocol, message };
}

/** What the other end says; undefined for anything else that comes over the channel. Both ends are one program. */
export function unsealed(received: unknown): unknown {
  if (typeof received !== 'object' || received === null) return undefined;
  const isSealed = 'protocol' in received && received.protocol === protocol && 'message' in received;
  return isSealed ? received.message : undefined;
}
