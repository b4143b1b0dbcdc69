import type { PolicySink } from '../policy.js';
import { Callbacks } from '../../kubernetes/reflector/callbacks.js';
import { DirectoryWatch } from './directory-watch.js';
import { replaceInSlices, runInSlices } from './in-slices.js';
import { ManifestDirectory } from './manifest-directory.js';
import { refuseDuplicates, type Manifest } from './manifest.js';
import type { PolicySource } from './policy-source.js';

export type ReloadResult =
  { readonly result: 'success' } | { readonly result: 'failure'; readonly message: string };

export interface DirectoryPolicySourceOptions {
  readonly directory: string;
  /** Default: `directory`. */
  readonly name?: string;
  /** Called with what is written in a manifest but will not do what was likely meant. */
  readonly onWarning?: (message: string) => void;
  /** Called after each reload, not after the first load; the same failure is told once. */
  readonly onReload?: (result: ReloadResult) => void;
  /** How long the directory has to be quiet before it is read (ms). Default: 100. */
  readonly settleMs?: number;
  /** How often to look for changes that nobody told of (ms). Default: 10,000. */
  readonly pollMs?: number;
}

/**
 * The policy of the manifests in a directory, which may be a ConfigMap's mount. A change is read whole before it
 * takes the old policy's place; while a manifest is broken the last good policy stays. `start` rejects with
 * ManifestError when a manifest is broken already, or the directory is missing.
 */
export function directoryPolicySource(options: DirectoryPolicySourceOptions): PolicySource {
  return new DirectoryPolicySource(options);
}

class DirectoryPolicySource implements PolicySource {
  readonly name: string;
  readonly #options: DirectoryPolicySourceOptions;
  readonly #manifests: ManifestDirectory;
  readonly #watch: DirectoryWatch;
  readonly #callbacks: Callbacks;
  #sink: PolicySink | undefined;
  #applied: readonly Manifest[] | undefined;
  /** Why the last reading failed. */
  #failure: string | undefined;
  /** Of the last reading; undefined where that failed, so that the next poll tries again. */
  #fingerprint: string | undefined;
  #settling: NodeJS.Timeout | undefined;
  #polling: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: DirectoryPolicySourceOptions) {
    const warn = (message: string): void => {
      this.#warn(message);
    };
    this.name = options.name ?? 'directory';
    this.#callbacks = new Callbacks(`policy source ${this.name}`);
    this.#options = options;
    this.#manifests = new ManifestDirectory(options.directory, ({ warnings }) => {
      warnings.forEach(warn);
    });
    this.#watch = new DirectoryWatch(
      options.directory,
      () => {
        this.#settle();
      },
      warn,
    );
  }

  async start(sink: PolicySink): Promise<void> {
    if (this.#sink !== undefined || this.#isClosed) throw new Error('a policy source is started once');
    this.#sink = sink;
    const load = this.#load(sink);
    this.#work = load.then(noop, noop);
    this.#polling = setInterval(() => {
      this.#enqueue(() => this.#poll(sink));
    }, this.#options.pollMs ?? 10_000).unref();
    try {
      await load;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.close();
    clearTimeout(this.#settling);
    clearInterval(this.#polling);
    await this.#work;
  }

  #settle(): void {
    const sink = this.#sink;
    if (this.#isClosed || sink === undefined) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#enqueue(() => this.#reload(sink));
    }, this.#options.settleMs ?? 100).unref();
  }

  /** One after the other, so that no reading overtakes an earlier one; none keeps the next from its turn. */
  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#isClosed ? undefined : task()))
      .catch((error: unknown) => {
        this.#callbacks.failed(error);
      });
  }

  async #poll(sink: PolicySink): Promise<void> {
    this.#watch.renew();
    if ((await this.#manifests.fingerprint()) !== this.#fingerprint) await this.#reload(sink);
  }

  async #reload(sink: PolicySink): Promise<void> {
    const result = await this.#load(sink).then(
      (isNew): ReloadResult | undefined => (isNew ? { result: 'success' } : undefined),
      (error: unknown) => this.#keepLastPolicy(sink, error),
    );
    if (result === undefined) return;
    this.#callbacks.call(() => this.#options.onReload?.(result));
  }

  /** Whether anything was new; a directory found as it was before leaves the policy alone. */
  async #load(sink: PolicySink): Promise<boolean> {
    // Watching comes first, so that no change falls between the two.
    this.#watch.renew();
    const { manifests, fingerprint } = await this.#manifests.read();
    const isNew = this.#failure !== undefined || !isSame(manifests, this.#applied);
    if (this.#isClosed || !isNew) {
      this.#fingerprint = fingerprint;
      return false;
    }
    const objects = manifests.flatMap((manifest) => manifest.objects);
    if (manifests.length > 1) await runInSlices(refuseDuplicates(objects));
    if (objects.length === 0) {
      this.#warn(`${this.#options.directory}: holds no ClusterRole and no ClusterRoleBinding`);
    }
    await replaceInSlices(sink, objects);
    this.#applied = manifests;
    this.#fingerprint = fingerprint;
    this.#failure = undefined;
    return true;
  }

  /** Undefined for a failure that was told already. */
  #keepLastPolicy(sink: PolicySink, error: unknown): ReloadResult | undefined {
    const message = error instanceof Error ? error.message : String(error);
    this.#fingerprint = undefined;
    if (this.#isClosed || message === this.#failure) return undefined;
    this.#failure = message;
    sink.markStale(message);
    return { result: 'failure', message };
  }

  #warn(message: string): void {
    this.#callbacks.call(() => this.#options.onWarning?.(message));
  }
}

function isSame(some: readonly Manifest[], others: readonly Manifest[] | undefined): boolean {
  return some.length === others?.length && some.every((manifest, at) => manifest === others[at]);
}

function noop(): void {
  // Whoever started it hears of its failure.
}
