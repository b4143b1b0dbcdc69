import type { ApiClient } from '../kubernetes/api-client.js';
import { Reflector, type ReflectorOptions } from '../kubernetes/reflector/reflector.js';
import type { ReflectorObserver, ReflectorSink } from '../kubernetes/reflector/reflector-options.js';
import { isOlder } from '../kubernetes/reflector/history.js';
import { ServerProbe } from '../kubernetes/reflector/server-probe.js';
import { MalformedError } from '../kubernetes/kubernetes-errors.js';
import { pathOf } from '../policy/sources/kubernetes-object.js';
import { decodeBinding, decodeRole, type RootObject, type RootPolicy } from './root-objects.js';

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

  constructor(
    private readonly decode: (object: unknown) => Item,
    private readonly events: ObjectTableEvents,
  ) {}

  reflector(
    options: Pick<ReflectorOptions<Item>, 'client' | 'observer' | 'path' | 'probe'>,
  ): Reflector<Item> {
    return new Reflector({ ...options, decode: this.decode, sink: this });
  }

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

  /** Records an object from the answer to a patch. */
  learn(object: unknown): void {
    try {
      this.set(this.decode(object));
    } catch (error) {
      // The watch will deliver it, or report the failure.
      if (!(error instanceof MalformedError)) throw error;
    }
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
export function followRoot(client: ApiClient, events: ObjectTableEvents, observer: ReflectorObserver) {
  const shared = { client, observer, probe: new ServerProbe(client) };
  const ClusterRole = new ObjectTable(decodeRole, events);
  const ClusterRoleBinding = new ObjectTable(decodeBinding, events);
  const reflectors = [
    ClusterRole.reflector({ ...shared, path: pathOf.ClusterRole }),
    ClusterRoleBinding.reflector({ ...shared, path: pathOf.ClusterRoleBinding }),
  ];
  return {
    tables: { ClusterRole, ClusterRoleBinding },
    policy: (): RootPolicy => ({ roles: ClusterRole.items, bindings: ClusterRoleBinding.items }),
    /** Whether both kinds have been listed, however long ago. */
    isListed: () => ClusterRole.isListed && ClusterRoleBinding.isListed,
    /** Whether both kinds are in sync with the server. */
    isInStep: () => ClusterRole.isInStep && ClusterRoleBinding.isInStep,
    start: () => {
      for (const reflector of reflectors) reflector.start();
    },
    close: async () => {
      await Promise.all(reflectors.map((reflector) => reflector.close()));
    },
  };
}
