import type { ReflectorSink } from '../kubernetes/reflector/reflector-sink.js';
import { isOlder } from '../kubernetes/reflector/resource-version.js';
import type { RootObject } from './root-object.js';

export interface ObjectTableEvents {
  /** Something in it, or whether it is in step, has changed. */
  readonly onChange: () => void;
  readonly onLost: (reason: string) => void;
}

/** All objects of one kind, as far as they are known. */
export class ObjectTable<Item extends RootObject> implements ReflectorSink<Item> {
  readonly #events: ObjectTableEvents;
  #items = new Map<string, Item>();
  #isListed = false;
  #isInStep = false;

  constructor(events: ObjectTableEvents) {
    this.#events = events;
  }

  get items(): ReadonlyMap<string, Item> {
    return this.#items;
  }

  /** Whether there has been a list, however long ago. */
  get isListed(): boolean {
    return this.#isListed;
  }

  get isInStep(): boolean {
    return this.#isInStep;
  }

  replace(items: readonly Item[]): Promise<void> {
    this.#items = new Map(items.map((item) => [item.name, item]));
    this.#isListed = true;
    this.#events.onChange();
    return Promise.resolve();
  }

  /** What a patch answered is known before the watch brings what lay between: news from before it is none. */
  set(item: Item): void {
    const known = this.#items.get(item.name);
    if (known?.uid === item.uid && isOlder(item.resourceVersion, known.resourceVersion)) return;
    this.#items.set(item.name, item);
    this.#events.onChange();
  }

  delete(name: string): void {
    if (this.#items.delete(name)) this.#events.onChange();
  }

  live(): void {
    this.#isInStep = true;
    this.#events.onChange();
  }

  lost(reason: string): void {
    this.#isInStep = false;
    this.#events.onLost(reason);
  }
}
