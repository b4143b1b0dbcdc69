import { setTimeout as pause } from 'node:timers/promises';
import type { PolicyObject } from '../../policy/objects.js';
import type { Policy, PolicySink } from '../../policy/policy.js';
import { steadyNow } from '../../timer.js';
import type { PolicyOperation } from './link-messages.js';

/** How often a policy that is being replaced is checked for completeness (ms). */
const wholePollMs = 10;

const kinds: readonly PolicyObject['kind'][] = ['ClusterRole', 'ClusterRoleBinding', 'LogicalCluster'];

/** Sends a policy to workers: all of it to a new worker, then each change, in order. */
export class PolicyBroadcast {
  readonly #outboxes = new Set<PolicyOutbox>();
  /** Layers that were filled by their source rather than from a snapshot. */
  readonly #confirmed = new Set<string>();

  /** A sink that broadcasts what is written to it; the policy comes first if it may throw. */
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
        yield* sink.replaceAll(objects);
        confirmed.add(layer);
        tell({ objects, operation: { kind: 'replace', layer } });
      },
      *replaceKind(kind, objects) {
        // Sent before the replacement begins, so that revocations take effect in all processes at once.
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

  /** Sends a worker everything, then each change until the outbox is closed. */
  async attach(policy: Policy, outbox: PolicyOutbox): Promise<void> {
    const layers = policy.status().map(({ layer }) => layer);
    while (!layers.every((layer) => policy.isWhole(layer))) await pause(wholePollMs);
    if (outbox.isClosed) return;
    // In one turn of the event loop, so that no change is sent twice or missed.
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
      if (of === 'LogicalCluster' && layer !== policy.workspaces?.layer) continue;
      const ofKind = objects.filter(({ kind }) => kind === of);
      yield { objects: ofKind, operation: { kind: 'replace-kind', layer, of } };
    }
    if (state !== 'syncing') yield { operation: { kind: 'synced', layer } };
    if (state === 'stale' || reason !== '') yield { operation: stale };
  }
}

function ageOf(time: number): number {
  return Math.max(0, steadyNow() - time);
}

interface Outgoing {
  readonly operation: PolicyOperation;
  readonly objects?: readonly PolicyObject[];
}

/** Objects in a message, with their subjects and rules: few enough to be read within a few milliseconds. */
const messageObjects = 200;
const messageParts = 1000;
const messageOperations = 100;
const windowMessages = 4;
/** A worker with more waiting operations is given up. */
const maxWaiting = 100_000;

/** What an object is made of: each takes about as long to send and to read. */
function partsOf(object: PolicyObject): number {
  if (object.kind === 'ClusterRoleBinding') return object.subjects.length;
  if (object.kind === 'LogicalCluster') return 1;
  return object.rules.reduce(
    (sum, { verbs, nonResourceURLs }) => sum + verbs.length + nonResourceURLs.length,
    0,
  );
}

/** Policy operations queued for one worker, sent in order and no faster than it applies them. */
export class PolicyOutbox {
  #waiting: Outgoing[] = [];
  /** How many objects of the first operation are sent. */
  #sent = 0;
  #onTheirWay = 0;
  #isClosed = false;

  /** `onOverflow` is called once, when the worker is given up because too much waits for it. */
  constructor(
    private readonly options: {
      readonly send: (operations: readonly PolicyOperation[]) => void;
      readonly onOverflow: () => void;
    },
  ) {}

  get isClosed(): boolean {
    return this.#isClosed;
  }

  add(outgoing: Outgoing): void {
    if (this.#isClosed) return;
    this.#waiting.push(outgoing);
    if (this.#waiting.length > maxWaiting) {
      this.close();
      this.options.onOverflow();
    } else this.#send();
  }

  /** The worker has applied one more message. */
  applied(): void {
    this.#onTheirWay = Math.max(0, this.#onTheirWay - 1);
    this.#send();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  #send(): void {
    while (this.#onTheirWay < windowMessages && this.#waiting.length > 0) {
      this.#onTheirWay += 1;
      this.options.send(this.#nextMessage());
    }
  }

  #nextMessage(): readonly PolicyOperation[] {
    const operations: PolicyOperation[] = [];
    let [room, parts, done] = [messageObjects, messageParts, 0];
    for (const { objects = [], operation } of this.#waiting) {
      if (operations.length >= messageOperations || room <= 0 || parts <= 0) break;
      const some: PolicyObject[] = [];
      for (let object = objects[this.#sent]; object !== undefined; object = objects[this.#sent]) {
        if (room <= 0 || parts <= 0) break;
        some.push(object);
        this.#sent += 1;
        room -= 1;
        parts -= partsOf(object);
      }
      if (some.length > 0 && 'layer' in operation)
        operations.push({ kind: 'objects', layer: operation.layer, objects: some });
      if (this.#sent < objects.length) break;
      if (operation.kind === 'apply' && operation.change.type === 'set')
        parts -= partsOf(operation.change.object);
      operations.push(operation);
      this.#sent = 0;
      done += 1;
    }
    this.#waiting.splice(0, done);
    return operations;
  }
}
