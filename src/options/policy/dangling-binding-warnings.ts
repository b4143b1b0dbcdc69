import { oneLine } from '../../documents/one-line.js';
import type { ClusterRoleBinding } from '../../policy/objects.js';
import type { Policy } from '../../policy/policy.js';
import { runInSlices } from '../../time-slice.js';

/** A policy that changes for ever must not fill the memory with what was said of it. */
const maxRemembered = 1000;

const maxLength = 2048;

/** Warns of each binding to a role that is nowhere, once; to be told of every change. */
export class DanglingBindingWarnings {
  readonly #warn: (message: string) => void;
  readonly #quietMs: number;
  readonly #said = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #look = Promise.resolve();

  /** Looks at most every `quietMs`, since it may have to walk the whole policy. Default 2,000. */
  constructor(warn: (message: string) => void, quietMs = 2000) {
    this.#warn = warn;
    this.#quietMs = quietMs;
  }

  readonly changed = (policy: Policy): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.look(policy);
    }, this.#quietMs).unref();
  };

  /** Looks now. */
  look(policy: Policy): Promise<void> {
    this.#look = this.#look.then(() => runInSlices(this.#walk(policy)));
    return this.#look;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  *#walk(policy: Policy): Generator<undefined, void, undefined> {
    // A role may be on its way; the layer's first sync is a change, too.
    if (policy.status().some(({ state, inForce }) => state === 'syncing' && inForce)) return;
    for (const found of policy.danglingBindings()) {
      if (found !== undefined) this.#say(found);
      yield;
    }
  }

  #say({ layer, binding }: { readonly layer: string; readonly binding: ClusterRoleBinding }): void {
    const { name, role, origin = layer } = binding;
    const text = `${origin}: ClusterRoleBinding ${JSON.stringify(name)} names ClusterRole ${JSON.stringify(role)}, which is missing: it grants nothing`;
    const message = oneLine(text, maxLength);
    if (this.#said.has(message)) return;
    if (this.#said.size >= maxRemembered) this.#said.clear();
    this.#said.add(message);
    this.#warn(message);
  }
}
