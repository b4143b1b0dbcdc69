import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { tellGuard } from './orphans.js';

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A command of the built CLI that goes on until it is stopped. */
export class RunningCommand {
  readonly #child;
  readonly #exited: Promise<unknown>;
  readonly #written = { stdout: '', stderr: '' };

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const { pid } = child;
    if (pid === undefined) throw new Error(`${process.execPath} cannot be started`);
    tellGuard('started', pid);
    this.#exited = once(child, 'close').then(() => {
      tellGuard('exited', pid);
    });
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (piece: string) => {
        this.#written[name] += piece;
      });
    }
  }

  get stdout(): string {
    return this.#written.stdout;
  }

  get stderr(): string {
    return this.#written.stderr;
  }

  /** Asks it to stop, unless it has ended. Resolves to its exit code; null where a signal ended it. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await this.#exited;
    return this.#child.exitCode;
  }
}
