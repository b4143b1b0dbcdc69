import { replaceInSlices, type PolicySource } from '../../policy/policy-source.js';
import type { PolicyObject } from '../../policy/objects.js';
import { steadyNow, type PolicySink } from '../../policy/policy.js';
import type { PolicyOperation } from './link-messages.js';
import { runInSlices } from '../../time-slice.js';

/** After how long without a word from the primary its policy is taken for stale (ms). */
export const silenceMs = 5000;

/** The primary's policy at the worker's end: a source for each layer, which says what the primary is told there. */
export class FollowedPrimary {
  readonly #sinks = new Map<string, PolicySink>();
  readonly #objects = new Map<string, PolicyObject[]>();
  /** Layers that the primary has last called synced. */
  readonly #synced = new Set<string>();
  readonly #whole: Promise<void>;
  readonly #now: () => number;
  #isWhole: () => void = () => undefined;
  #begin: () => void = () => undefined;
  #work: Promise<void>;
  #heardAt: number;
  #isSilent = false;

  /** @param now in ms. */
  constructor(now: () => number = steadyNow) {
    this.#now = now;
    this.#heardAt = now();
    this.#work = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#whole = new Promise((resolve) => {
      this.#isWhole = resolve;
    });
  }

  /** Resolves when everything is known that the primary knew when this worker began. */
  get whole(): Promise<void> {
    return this.#whole;
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

  /** To be called once all sources have been started: what was told before waits until then. */
  begin(): void {
    this.#begin();
  }

  /** Takes one message's operations behind those before it; resolves when they are in force. */
  take(operations: readonly PolicyOperation[]): Promise<void> {
    this.#work = this.#work.then(async () => {
      for (const operation of operations) {
        try {
          await this.#carryOut(operation);
        } catch {
          // A malformed object had no effect in the primary either, which has told of it.
        }
      }
    });
    return this.#work;
  }

  /** That the primary is there. */
  heard(): void {
    this.#heardAt = this.#now();
    if (!this.#isSilent) return;
    this.#isSilent = false;
    for (const layer of this.#synced) this.#sinks.get(layer)?.markSynced();
  }

  /** To be called now and then: a primary that hangs may have missed any revocation. */
  look(): void {
    if (this.#isSilent || this.#now() - this.#heardAt <= silenceMs) return;
    this.#isSilent = true;
    for (const layer of this.#synced) {
      this.#sinks.get(layer)?.markStale('the process that follows the policy does not answer', this.#heardAt);
    }
  }

  async #carryOut(operation: PolicyOperation): Promise<void> {
    if (operation.kind === 'whole') {
      this.#isWhole();
      return;
    }
    const { layer } = operation;
    const sink = this.#sinks.get(layer);
    if (sink === undefined) return;
    switch (operation.kind) {
      case 'objects':
        this.#gather(layer, operation.objects);
        break;
      case 'replace':
        this.#synced.add(layer);
        await replaceInSlices(sink, this.#takeObjects(layer));
        break;
      case 'replace-kind':
        await runInSlices(sink.replaceKind(operation.of, this.#takeObjects(layer)));
        break;
      case 'restore':
        sink.restore(this.#takeObjects(layer), this.#now() - operation.ageMs, operation.reason);
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
        sink.markStale(operation.reason, this.#now() - operation.ageMs);
        break;
    }
  }

  #gather(layer: string, objects: readonly PolicyObject[]): void {
    const gathered = this.#objects.get(layer) ?? [];
    gathered.push(...objects);
    this.#objects.set(layer, gathered);
  }

  #takeObjects(layer: string): readonly PolicyObject[] {
    const objects = this.#objects.get(layer) ?? [];
    this.#objects.delete(layer);
    return objects;
  }
}
