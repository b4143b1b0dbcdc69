import { setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { graceMs, type Expected } from './expected.js';
import type { LivePolicy } from './live-policy.js';
import type { Setting } from './setting.js';

/** From when until when; of `performance.now()`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface StormOptions {
  readonly setting: Setting;
  readonly live: LivePolicy | undefined;
  readonly queueIsUp: Expected<boolean>;
  /** Resolves when the filter says that it has what the API server has. */
  readonly inStep: () => Promise<void>;
}

/** Everything that may change changes every few seconds, each at a pace of its own, until `stop()`. */
export class Storm {
  /** So often each was changed. */
  readonly counts = new Map<string, number>();
  /** While an API server starts, it has the processors for itself. */
  readonly starts: Span[] = [];
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor({ setting, live, queueIsUp, inStep }: StormOptions) {
    const { signal } = this.#stopping;
    // Everything that pauses listens.
    setMaxListeners(0, signal);
    const { clients, tokens, accounts, queue } = setting;
    const toggled = (bind: (isBound: boolean) => Promise<void>): (() => Promise<void>) => {
      let isBound = true;
      return async () => {
        isBound = !isBound;
        await bind(isBound);
      };
    };
    const bindLive = live && toggled(live.bind);
    this.#running = Promise.all([
      this.#often('serving pairs', 4_000, () => setting.rotateServing()),
      this.#often('client authorities', 1_000, () => clients.rotate(signal)),
      this.#often('tokens', 500, () => tokens.rotate(signal)),
      this.#often('service-account keys', 700, () => accounts.rotate(signal)),
      this.#often('keys of the OpenID provider', 12_000, () => setting.rotateProviderKeys()),
      this.#often('bindings in the directory', 1.5 * graceMs, toggled(setting.bind)),
      this.#often('outages of an upstream', 6_000, async () => {
        await queueIsUp.turnsTo(false, () => queue.stop());
        await setTimeout(1.5 * graceMs, undefined, { signal }).catch(() => undefined);
        await queueIsUp.turnsTo(true, () => queue.start());
      }),
      ...(live === undefined || bindLive === undefined
        ? []
        : [
            this.#often('restarts of the API server', 0, async () => {
              for (let times = 0; times < 6; times += 1) {
                await setTimeout(1.5 * graceMs, undefined, { signal });
                await bindLive();
                this.#count('bindings at the API server');
              }
              await this.#restart(live, inStep);
            }),
          ]),
    ]);
  }

  /** Resolves when nothing changes any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #restart({ controlPlane }: LivePolicy, inStep: () => Promise<void>): Promise<void> {
    const from = performance.now();
    await controlPlane.restart();
    this.starts.push({ from, to: performance.now() + graceMs });
    await inStep();
  }

  async #often(what: string, restMs: number, change: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    try {
      for (;;) {
        await setTimeout(restMs, undefined, { signal });
        await change();
        this.#count(what);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
