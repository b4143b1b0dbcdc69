import type { ApiClient } from '../kubernetes/api-client.js';
import { Reflector } from '../kubernetes/reflector/reflector.js';
import type { ReflectorObserver, ReflectorSink } from '../kubernetes/reflector/reflector-options.js';
import { isOlder } from '../kubernetes/reflector/history.js';
import { ServerProbe } from '../kubernetes/reflector/server-probe.js';
import { MalformedObjectError } from '../policy/policy-errors.js';
import { pathOf } from '../policy/sources/kubernetes-object.js';
import {
  decodeBinding,
  decodeRole,
  type RootBinding,
  type RootObject,
  type RootPolicy,
  type RootRole,
} from './root-objects.js';

export interface ObjectTableEvents {
  /** Called when an object, or whether all are in sync, has changed. */
  readonly onChange: () => void;
  readonly onLost: (reason: string) => void;
}

/** All known objects of one kind. */
export class ObjectTable<Item extends RootObject> implements ReflectorSink<Item> {
  /** Whether it has been listed at all, however long ago. */
  isListed = false;
  isInStep = false;
  items: Map<string, Item> = new Map<string, Item>();

  constructor(private readonly events: ObjectTableEvents) {}

  replace(items: readonly Item[]): Promise<void> {
    this.items = new Map(items.map((item) => [item.name, item]));
    this.isListed = true;
    this.events.onChange();
    return Promise.resolve();
  }

  /** After a patch's answer, the watch may still bring older states of the object, which are ignored. */
  set(item: Item): void {
    const known = this.items.get(item.name);
    if (known?.uid === item.uid && isOlder(item.resourceVersion, known.resourceVersion)) return;
    this.items.set(item.name, item);
    this.events.onChange();
  }

  delete(name: string): void {
    if (this.items.delete(name)) this.events.onChange();
  }

  live(): void {
    this.isInStep = true;
    this.events.onChange();
  }

  lost(reason: string): void {
    this.isInStep = false;
    this.events.onLost(reason);
  }
}

/** The ClusterRoles and ClusterRoleBindings of the root workspace, as they change. */
export class RootFollower implements RootPolicy {
  readonly #roles: ObjectTable<RootRole>;
  readonly #bindings: ObjectTable<RootBinding>;
  readonly #reflectors: readonly (Reflector<RootRole> | Reflector<RootBinding>)[];

  constructor(client: ApiClient, events: ObjectTableEvents, observer: ReflectorObserver = {}) {
    const shared = { client, observer, probe: new ServerProbe({ client }) };
    const path = pathOf.ClusterRoleBinding;
    this.#roles = new ObjectTable(events);
    this.#bindings = new ObjectTable(events);
    this.#reflectors = [
      new Reflector({ ...shared, path: pathOf.ClusterRole, decode: decodeRole, sink: this.#roles }),
      new Reflector({ ...shared, path, decode: decodeBinding, sink: this.#bindings }),
    ];
  }

  get roles(): ReadonlyMap<string, RootRole> {
    return this.#roles.items;
  }

  get bindings(): ReadonlyMap<string, RootBinding> {
    return this.#bindings.items;
  }

  /** Whether both kinds have been listed, however long ago. */
  get isListed(): boolean {
    return this.#roles.isListed && this.#bindings.isListed;
  }

  /** Whether both kinds are in sync with the server. */
  get isInStep(): boolean {
    return this.#roles.isInStep && this.#bindings.isInStep;
  }

  start(): void {
    for (const reflector of this.#reflectors) reflector.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
  }

  /** Whether this is the latest known state of an object. */
  isCurrent(object: RootObject): boolean {
    const { items } = object.kind === 'ClusterRole' ? this.#roles : this.#bindings;
    return items.get(object.name) === object;
  }

  /** Records an object from the answer to a patch. */
  learn(kind: RootObject['kind'], object: unknown): void {
    try {
      if (kind === 'ClusterRole') this.#roles.set(decodeRole(object));
      else this.#bindings.set(decodeBinding(object));
    } catch (error) {
      // The watch will deliver it, or report the failure.
      if (!(error instanceof MalformedObjectError)) throw error;
    }
  }
}
