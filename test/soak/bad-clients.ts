import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { tellGuard } from '../e2e/orphans.js';
import type { Secrets } from '../support/secrets.js';

/** How many bad clients there were, and which of them were given what they must not have. */
export interface BadClientsResult {
  readonly count: number;
  readonly granted: readonly string[];
}

/** In a process of their own, so that what they do is no work of the scrapers'. */
export class BadClients {
  readonly #child = fork(fileURLToPath(new URL('bad-clients.mjs', import.meta.url)));
  readonly #pid = this.#child.pid ?? 0;

  /** @param token Of somebody who may scrape, for those who are no more than slow. */
  constructor(port: number, token: string, secrets: Secrets) {
    tellGuard('started', this.#pid);
    this.#child.on('message', (message: object) => {
      if ('secret' in message && typeof message.secret === 'string') secrets.add(message.secret);
    });
    this.#child.send({ port, token });
  }

  /** Resolves when the last of them is gone. */
  async stop(): Promise<BadClientsResult> {
    const result = new Promise<BadClientsResult>((resolve) => {
      this.#child.on('message', (message: object) => {
        if ('granted' in message) resolve(message as BadClientsResult);
      });
    });
    const exited = once(this.#child, 'exit');
    this.#child.send('stop');
    const found = await result;
    await exited;
    tellGuard('exited', this.#pid);
    return found;
  }
}
