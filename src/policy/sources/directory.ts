import { watch, type FSWatcher } from 'node:fs';
import { parse, resolve } from 'node:path';
import { codeOf, messageOf } from '../../error-class.js';
import type { ReloadResult } from '../../files/followed-files.js';
import { tell } from '../../tell.js';
import { runInSlices } from '../../time-slice.js';
import type { PolicySource } from '../policy-source.js';
import type { PolicySink } from '../policy.js';
import { ManifestDirectory } from './manifest-directory.js';
import { refuseDuplicates, type Manifest } from './manifest.js';
import { aText, checkOptions, optional } from '../../option-checks.js';

export interface DirectoryPolicySourceOptions {
  readonly directory: string;
  /** Default: `directory`. */
  readonly name?: string;
  /** Whether the objects are of many workspaces, told apart by the annotation `kcp.io/cluster`. Default false. */
  readonly ofWorkspaces?: boolean;
  /** Called with warnings about a manifest that probably does not do what was intended. */
  readonly onWarning?: (message: string) => void;
  /** Called after each reload, not after the first load; once for the same failure. */
  readonly onReload?: (result: ReloadResult) => void;
  /** How long the directory must be unchanged before it is read (ms). Default: 100. */
  readonly settleMs?: number;
  /** How often to check for changes without notice (ms). Default: 10,000. */
  readonly pollMs?: number;
}

/**
 * The policy of the manifests in a directory, which may be a ConfigMap's mount. A change is read completely before it
 * replaces the old policy; while a manifest is broken the last good policy stays. `start` rejects with ManifestError if a
 * manifest is broken or the directory is missing.
 */
export function directoryPolicySource(options: DirectoryPolicySourceOptions): PolicySource {
  checkOptions(options, { directory: aText, name: optional(aText) });
  return new DirectoryPolicySource(options);
}

class DirectoryPolicySource implements PolicySource {
  readonly name: string;
  /** The name in warnings about listeners. */
  readonly #owner: string;
  readonly #manifests: ManifestDirectory;
  readonly #watch: DirectoryWatch;
  #sink: PolicySink | undefined;
  #applied: readonly Manifest[] | undefined;
  /** Why the last reading failed. */
  #failure: string | undefined;
  /** Of the last reading; undefined if that failed, so that the next poll tries again. */
  #fingerprint: string | undefined;
  #settling: NodeJS.Timeout | undefined;
  #polling: NodeJS.Timeout | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: DirectoryPolicySourceOptions) {
    const { directory, name = 'directory', ofWorkspaces } = options;
    this.name = name;
    this.#owner = `policy source ${name}`;
    this.#manifests = new ManifestDirectory(directory, this.#warn, ofWorkspaces);
    this.#watch = new DirectoryWatch(resolve(directory), this.#settle, this.#warn);
  }

  async start(sink: PolicySink): Promise<void> {
    if (this.#sink !== undefined || this.#isClosed) throw new Error('a policy source is started once');
    this.#sink = sink;
    const load = this.#load(sink);
    this.#work = Promise.allSettled([load]);
    this.#polling = setInterval(() => {
      this.#enqueue(async () => {
        this.#watch.renew();
        if ((await this.#manifests.fingerprint()) !== this.#fingerprint) await this.#reload(sink);
      });
    }, this.options.pollMs ?? 10_000).unref();
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

  readonly #settle = (): void => {
    const sink = this.#sink;
    if (this.#isClosed || sink === undefined) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#enqueue(() => this.#reload(sink));
    }, this.options.settleMs ?? 100).unref();
  };

  /** One after the other, so that no reading overtakes an earlier one. No task may reject. */
  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(() => (this.#isClosed ? undefined : task()));
  }

  async #reload(sink: PolicySink): Promise<void> {
    let result: ReloadResult = { result: 'success' };
    try {
      if (!(await this.#load(sink))) return;
    } catch (error) {
      const message = messageOf(error);
      this.#fingerprint = undefined;
      // The same failure is told once.
      if (this.#isClosed || message === this.#failure) return;
      this.#failure = message;
      tell(this.#owner, () => {
        sink.markStale(message);
      });
      result = { result: 'failure', message };
    }
    tell(this.#owner, this.options.onReload, result);
  }

  /** Applies the manifests, unless they are unchanged. Returns whether they were applied. */
  async #load(sink: PolicySink): Promise<boolean> {
    // Watching comes first, so that no change falls between the two.
    if (!this.#isClosed) this.#watch.renew();
    const { manifests, fingerprint } = await this.#manifests.read();
    const isNew = !this.#isClosed && (this.#failure !== undefined || !isSame(manifests, this.#applied));
    if (isNew) {
      const objects = manifests.flatMap((manifest) => manifest.objects);
      if (manifests.length > 1) await runInSlices(refuseDuplicates(objects));
      if (objects.length === 0) {
        this.#warn(`${this.options.directory}: holds no ClusterRole and no ClusterRoleBinding`);
      }
      await runInSlices(sink.replaceAll(objects));
      this.#applied = manifests;
      this.#failure = undefined;
    }
    this.#fingerprint = fingerprint;
    return isNew;
  }

  readonly #warn = (message: string): void => {
    tell(this.#owner, this.options.onWarning, message);
  };
}

function isSame(some: readonly Manifest[], others: readonly Manifest[] | undefined): boolean {
  return some.length === others?.length && some.every((manifest, at) => manifest === others[at]);
}

/**
 * Calls `onEvent` when something in a directory may have changed, or when the directory itself was replaced, removed or
 * created again, for which its parent is watched. Not sufficient alone: network file systems give no notice. Keeps no
 * process alive.
 */
class DirectoryWatch {
  readonly #watchers: FSWatcher[] = [];
  #hasWarned = false;

  constructor(
    readonly directory: string,
    readonly onEvent: () => void,
    readonly onWarning: (message: string) => void,
  ) {}

  /**
   * Watches the directory now at the path. A watch stays with the directory it was made for, and not even the inode
   * shows whether it is still the same; so renew it before each reading.
   */
  renew(): void {
    this.close();
    const { dir, base } = parse(this.directory);
    this.#watch(this.directory, this.onEvent);
    this.#watch(dir, (name) => {
      if (name === null || name === base) this.onEvent();
    });
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #watch(path: string, onEvent: (name: string | null) => void): void {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        onEvent(name);
      });
      watcher.on('error', () => {
        onEvent(null);
      });
      this.#watchers.push(watcher);
    } catch (error) {
      // A missing directory is noticed when it appears; other failures, such as the limit of watches, are reported.
      if (codeOf(error) === 'ENOENT' || this.#hasWarned) return;
      this.#hasWarned = true;
      this.onWarning(`${path}: cannot be watched, so changes are noticed later: ${String(error)}`);
    }
  }
}
