import type { PolicyObject } from '../objects.js';

/**
 * Lets nobody pass before both kinds have been listed on one server: at the beginning, and again when the
 * kubeconfig has come to name another server.
 */
export class BothLists {
  #server: string | undefined;
  #awaited = new Set<PolicyObject['kind']>();
  #release: () => void = () => undefined;
  #complete = Promise.resolve();

  async arrived(kind: PolicyObject['kind'], server: string): Promise<void> {
    if (server !== this.#server) {
      // Whoever waits with a list of the server before waits on, for what it will be told is old by then.
      const released = this.#release;
      this.#server = server;
      this.#awaited = new Set(['ClusterRole', 'ClusterRoleBinding']);
      this.#complete = new Promise((resolve) => {
        this.#release = () => {
          resolve();
          released();
        };
      });
    }
    this.#awaited.delete(kind);
    if (this.#awaited.size === 0) this.#release();
    await this.#complete;
  }

  release(): void {
    this.#release();
  }
}
