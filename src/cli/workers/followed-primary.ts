import { EventEmitter, once } from 'node:events';
import type { PolicySource } from '../../policy/policy-source.js';
import type { PolicyObject } from '../../policy/objects.js';
import type { PolicySink } from '../../policy/policy.js';
import { steadyNow } from '../../timer.js';
import type { PolicyOperation } from './link-messages.js';
import { runInSlices } from '../../time-slice.js';

/** After this long without a message from the primary, its policy counts as stale (ms). */
export const silenceMs = 5000;

/** The worker's replica of the primary's policy: a source for each layer. */
export class FollowedPrimary {
  readonly #sinks = new Map<string, PolicySink>();
  readonly #objects = new Map<string, PolicyObject[]>();
  readonly #synced = new Set<string>();
  readonly #events = new EventEmitter();
  /** Resolves when this worker has all that the primary knew when it started. */
  readonly whole = once(this.#events, 'whole');
  #work: Promise<unknown> = once(this.#events, 'begin');
  #heardAt: number;
  #isSilent = false;

  /** `now` in ms. */
  constructor(private readonly now: () => number = steadyNow) {
    this.#heardAt = now();
  }

  /** Call once all sources have started: earlier messages wait until then. */
  begin(): void {
    this.#events.emit('begin');
  }

  source(layer: string): PolicySource {
    return {
      name: layer,
      start: (sink) => {
        this.#sinks.set(layer, sink);
        return Promise.resolve();
      },
      close: () => {
        this.#sinks.delete(layer);
        return Promise.resolve();
      },
    };
  }

  /** Queues one message's operations; resolves when they are in force. */
  take(operations: readonly PolicyOperation[]): Promise<unknown> {
    this.#work = this.#work.then(async () => {
      for (const operation of operations) {
        try {
          await this.#carryOut(operation);
        } catch {
          // A malformed object had no effect in the primary either, which has reported it.
        }
      }
    });
    return this.#work;
  }

  heard(): void {
    this.#heardAt = this.now();
    if (!this.#isSilent) return;
    this.#isSilent = false;
    for (const layer of this.#synced) this.#sinks.get(layer)?.markSynced();
  }

  /** Call regularly: a hanging primary may have missed revocations. */
  look(): void {
    if (this.#isSilent || this.now() - this.#heardAt <= silenceMs) return;
    this.#isSilent = true;
    for (const layer of this.#synced) {
      this.#sinks.get(layer)?.markStale('the primary process does not respond', this.#heardAt);
    }
  }

  async #carryOut(operation: PolicyOperation): Promise<void> {
    if (operation.kind === 'whole') {
      this.#events.emit('whole');
      return;
    }
    const { layer } = operation;
    const sink = this.#sinks.get(layer);
    if (sink === undefined) return;
    switch (operation.kind) {
      case 'objects': {
        const gathered = this.#objects.get(layer) ?? [];
        gathered.push(...operation.objects);
        this.#objects.set(layer, gathered);
        break;
      }
      case 'replace':
        this.#synced.add(layer);
        await runInSlices(sink.replaceAll(this.#takeObjects(layer)));
        break;
      case 'replace-kind':
        await runInSlices(sink.replaceKind(operation.of, this.#takeObjects(layer)));
        break;
      case 'restore':
        sink.restore(this.#takeObjects(layer), this.now() - operation.ageMs, operation.reason);
        break;
      case 'apply':
        sink.apply(operation.change);
        break;
      case 'synced':
        this.#synced.add(layer);
        sink.markSynced();
        break;
      case 'stale':
        this.#synced.delete(layer);
        sink.markStale(operation.reason, this.now() - operation.ageMs);
        break;
    }
  }

  #takeObjects(layer: string): readonly PolicyObject[] {
    const objects = this.#objects.get(layer) ?? [];
    this.#objects.delete(layer);
    return objects;
  }
}
