import type { ApiClient } from '../kubernetes/api-client.js';
import { Reflector } from '../kubernetes/reflector/reflector.js';
import type { ReflectorObserver } from '../kubernetes/reflector/reflector-sink.js';
import type { ReflectorTiming } from '../kubernetes/reflector/reflector-timing.js';
import { ServerProbe } from '../kubernetes/reflector/server-probe.js';
import { pathOf } from './annotation-patch.js';
import { decodeBinding, decodeRole } from './decode.js';
import { ObjectTable, type ObjectTableEvents } from './object-table.js';
import type { RootBinding, RootObject, RootPolicy, RootRole } from './root-object.js';

export interface RootFollowerOptions extends ObjectTableEvents {
  readonly client: ApiClient;
  readonly observer?: ReflectorObserver;
  readonly timing?: Partial<ReflectorTiming>;
}

/** The ClusterRoles and ClusterRoleBindings of the root workspace, as they change. */
export class RootFollower implements RootPolicy {
  readonly #roles: ObjectTable<RootRole>;
  readonly #bindings: ObjectTable<RootBinding>;
  readonly #reflectors: readonly (Reflector<RootRole> | Reflector<RootBinding>)[];

  constructor({ onChange, onLost, ...reflection }: RootFollowerOptions) {
    this.#roles = new ObjectTable({ onChange, onLost });
    this.#bindings = new ObjectTable({ onChange, onLost });
    const shared = { ...reflection, probe: new ServerProbe({ client: reflection.client }) };
    this.#reflectors = [
      new Reflector({
        ...shared,
        path: pathOf.ClusterRole,
        decode: decodeRole,
        sink: this.#roles,
      }),
      new Reflector({
        ...shared,
        path: pathOf.ClusterRoleBinding,
        decode: decodeBinding,
        sink: this.#bindings,
      }),
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

  /** Whether what is known of both kinds is what the server has. */
  get isInStep(): boolean {
    return this.#roles.isInStep && this.#bindings.isInStep;
  }

  start(): void {
    for (const reflector of this.#reflectors) reflector.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
  }

  /** Whether an object is still known as this one. */
  isCurrent(object: RootObject): boolean {
    const { items } = object.kind === 'ClusterRole' ? this.#roles : this.#bindings;
    return items.get(object.name) === object;
  }

  /** Takes note of an object that a patch answered with. @throws MalformedObjectError */
  learn(kind: RootObject['kind'], object: unknown): void {
    if (kind === 'ClusterRole') this.#roles.set(decodeRole(object));
    else this.#bindings.set(decodeBinding(object));
  }
}
