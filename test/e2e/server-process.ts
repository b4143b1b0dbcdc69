import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { tellGuard } from './orphans.js';

export interface ServerCommand {
  /** For messages. */
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  /** What it writes is added to this file. */
  readonly logFile: string;
  /** Whether it is up; may throw as long as it is not. */
  readonly isReady: () => Promise<boolean>;
}

const readyDeadlineMs = 180_000;
const pollIntervalMs = 50;
const endDeadlineMs = 10_000;
const pauseDeadlineMs = 10_000;
const shownLogLines = 20;

/** A server that was started here, and that is signalled by its pid alone. */
export class ServerProcess {
  readonly #command: ServerCommand;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #spawnError: Error | undefined;

  /** Resolves when it is ready. Rejects with the end of its log when it ends instead, or takes over three minutes. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command);
    try {
      await server.#untilReady();
    } catch (error) {
      await server.kill();
      throw error;
    }
    return server;
  }

  private constructor(command: ServerCommand) {
    this.#command = command;
    const log = openSync(command.logFile, 'a');
    this.#child = spawn(command.binary, command.args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child.once('error', (error) => {
      this.#spawnError = error;
    });
    const { pid } = this.#child;
    if (pid === undefined) {
      this.#exited = Promise.resolve();
      return;
    }
    tellGuard('started', pid);
    this.#exited = once(this.#child, 'exit').then(() => {
      tellGuard('exited', pid);
    });
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** SIGKILL: it gets no chance to say goodbye. Ends a paused server, too. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGTERM, and SIGKILL if that has not ended it within 10 s. */
  async end(): Promise<void> {
    this.resume();
    this.#child.kill('SIGTERM');
    const deadline = new AbortController();
    const late = setTimeout(endDeadlineMs, undefined, { signal: deadline.signal }).then(
      () => this.kill(),
      () => undefined,
    );
    await this.#exited;
    deadline.abort();
    await late;
  }

  /** SIGSTOP: its connections stay open, and nothing answers on them. Returns when each of its threads has stopped. */
  pause(): void {
    this.#child.kill('SIGSTOP');
    const deadline = Date.now() + pauseDeadlineMs;
    while (!this.#isStopped()) {
      if (Date.now() > deadline) throw new Error(`${this.#command.name} does not stop`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }

  #isStopped(): boolean {
    const tasks = `/proc/${this.#child.pid}/task`;
    return readdirSync(tasks).every((task) => / T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')));
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async #untilReady(): Promise<void> {
    const { name, isReady } = this.#command;
    const deadline = Date.now() + readyDeadlineMs;
    while (!(await isReady().catch(() => false))) {
      if (this.#spawnError !== undefined) throw this.#spawnError;
      if (!this.isRunning) throw new Error(`${name} has ended\n${this.#endOfLog()}`);
      if (Date.now() > deadline) throw new Error(`${name} is not ready\n${this.#endOfLog()}`);
      await setTimeout(pollIntervalMs);
    }
  }

  #endOfLog(): string {
    return readFileSync(this.#command.logFile, 'utf8').trimEnd().split('\n').slice(-shownLogLines).join('\n');
  }
}
