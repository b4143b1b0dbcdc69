import { setTimeout as pause } from 'node:timers/promises';
import type { PolicyObject } from '../../policy/objects.js';
import { steadyNow, type Policy, type PolicySink } from '../../policy/policy.js';
import type { PolicyOperation } from './link-messages.js';
import type { Outgoing, PolicyOutbox } from './policy-outbox.js';

/** How often a policy that is being replaced is looked at, until it is whole (ms). */
const wholePollMs = 10;

const kinds: readonly PolicyObject['kind'][] = ['ClusterRole', 'ClusterRoleBinding'];

/** Tells workers of a policy: a new one of all that it holds, and every one of each change, in order. */
export class PolicyBroadcast {
  readonly #outboxes = new Set<PolicyOutbox>();
  /** Layers that their source has filled itself, rather than an earlier process' snapshot. */
  readonly #confirmed = new Set<string>();

  /** A sink that tells of what is written to it; the policy itself is first where that may throw. */
  through(layer: string, sink: PolicySink): PolicySink {
    const tell = (outgoing: Outgoing): void => {
      for (const outbox of this.#outboxes) outbox.add(outgoing);
    };
    const confirmed = this.#confirmed;
    return {
      replace: (objects) => {
        sink.replace(objects);
        confirmed.add(layer);
        tell({ objects, operation: { kind: 'replace', layer } });
      },
      *replaceAll(objects) {
        if (sink.replaceAll === undefined) sink.replace(objects);
        else yield* sink.replaceAll(objects);
        confirmed.add(layer);
        tell({ objects, operation: { kind: 'replace', layer } });
      },
      *replaceKind(kind, objects) {
        // At its beginning, so that what is revoked is revoked everywhere at once.
        tell({ objects, operation: { kind: 'replace-kind', layer, of: kind } });
        yield* sink.replaceKind(kind, objects);
      },
      apply: (change) => {
        sink.apply(change);
        tell({ operation: { kind: 'apply', layer, change } });
      },
      markSynced: () => {
        sink.markSynced();
        confirmed.add(layer);
        tell({ operation: { kind: 'synced', layer } });
      },
      markStale: (reason, since) => {
        sink.markStale(reason, since);
        tell({ operation: { kind: 'stale', layer, reason, ageMs: since === undefined ? 0 : ageOf(since) } });
      },
      restore: (objects, syncedAt, reason) => {
        sink.restore(objects, syncedAt, reason);
        tell({ objects, operation: { kind: 'restore', layer, reason, ageMs: ageOf(syncedAt) } });
      },
    };
  }

  /** Tells a worker everything, then of each change until the outbox is closed. */
  async attach(policy: Policy, outbox: PolicyOutbox): Promise<void> {
    const layers = policy.status().map(({ layer }) => layer);
    while (!layers.every((layer) => policy.isWhole(layer))) await pause(wholePollMs);
    if (outbox.isClosed) return;
    // In one turn of the event loop: no change is told twice, and none is missed.
    for (const layer of layers) for (const outgoing of this.#all(policy, layer)) outbox.add(outgoing);
    outbox.add({ operation: { kind: 'whole' } });
    this.#outboxes.add(outbox);
  }

  detach(outbox: PolicyOutbox): void {
    this.#outboxes.delete(outbox);
  }

  *#all(policy: Policy, layer: string): Generator<Outgoing, void, undefined> {
    const status = policy.status().find((candidate) => candidate.layer === layer);
    if (status === undefined) return;
    const { state, reason = '', ageMs } = status;
    const objects = policy.objects(layer);
    const stale: PolicyOperation = { kind: 'stale', layer, reason, ageMs };
    if (state === 'stale' && !this.#confirmed.has(layer)) {
      yield { objects, operation: { ...stale, kind: 'restore' } };
      return;
    }
    for (const of of kinds) {
      yield {
        objects: objects.filter(({ kind }) => kind === of),
        operation: { kind: 'replace-kind', layer, of },
      };
    }
    if (state !== 'syncing') yield { operation: { kind: 'synced', layer } };
    if (state === 'stale' || reason !== '') yield { operation: stale };
  }
}

function ageOf(time: number): number {
  return Math.max(0, steadyNow() - time);
}
