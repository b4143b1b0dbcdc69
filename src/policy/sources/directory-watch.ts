import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

/**
 * Tells when something in a directory may have changed, or when the directory itself was replaced, removed or
 * made anew, for which its parent is watched. It is never certain (network file systems tell nothing): whoever
 * must know looks for himself from time to time. Keeps no process alive.
 */
export class DirectoryWatch {
  readonly #directory: string;
  readonly #onEvent: () => void;
  readonly #onWarning: (message: string) => void;
  #watchers: readonly FSWatcher[] = [];
  #hasWarned = false;
  #isClosed = false;

  constructor(directory: string, onEvent: () => void, onWarning: (message: string) => void) {
    this.#directory = resolve(directory);
    this.#onEvent = onEvent;
    this.#onWarning = onWarning;
  }

  /**
   * Watches what stands at the directory's path now. A watch stays with the directory it was made for, and not
   * even its inode tells whether that is still the one; so renew before each look at the directory.
   */
  renew(): void {
    if (this.#isClosed) return;
    this.#closeWatchers();
    const parent = dirname(this.#directory);
    this.#watchers = [
      ...this.#watch(this.#directory, this.#onEvent),
      ...this.#watch(parent, (name) => {
        if (name === null || name === basename(this.#directory)) this.#onEvent();
      }),
    ];
  }

  close(): void {
    this.#isClosed = true;
    this.#closeWatchers();
  }

  #closeWatchers(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watch(path: string, onEvent: (name: string | null) => void): readonly FSWatcher[] {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        onEvent(name);
      });
      watcher.on('error', () => {
        onEvent(null);
      });
      return [watcher];
    } catch (error) {
      // What is missing will be noticed when it appears; but the number of watches may be used up, say.
      if (!isMissing(error) && !this.#hasWarned) {
        this.#hasWarned = true;
        this.#onWarning(`${path}: cannot be watched, so changes are noticed later: ${String(error)}`);
      }
      return [];
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
