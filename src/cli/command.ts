import { chosen } from '../options/option-kinds.js';
import type { GivenOptions, Topic } from '../options/option.js';
import { usageError, type UsageError } from '../options/usage-error.js';

/** Where a command writes and what stops it; tests pass their own. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  /** Resolves when the process is asked to stop. */
  readonly stopRequested: () => Promise<void>;
  /** Receives a server's log lines. Default: stderr. */
  readonly log?: { readonly write: (line: string) => void };
}

interface CommandArgument {
  readonly name: string;
  readonly description: string;
  readonly isOptional?: boolean;
  readonly choices?: readonly string[];
}

export interface CommandCall {
  /** In the order of the command's arguments; undefined for one left out. */
  readonly args: readonly (string | undefined)[];
  /** The arguments after those, for a command that takes more. */
  readonly rest: readonly string[];
  /** Includes those of the configuration file. */
  readonly values: GivenOptions;
  readonly terminal: Terminal;
  readonly withConfigFieldNames: (message: string) => string;
  /** Why the configuration file cannot be used, for a command that tells of it; the values are then without it. */
  readonly misconfiguration?: UsageError;
}

/** A command's options and action: loaded when the command, its help or its completion is needed. */
export interface Command {
  readonly args?: readonly CommandArgument[];
  /** All arguments after those, also flags that are not its own. */
  readonly rest?: CommandArgument;
  readonly topics: readonly Topic[];
  /** Resolves to the exit code. @throws UsageError */
  readonly run: (call: CommandCall) => Promise<number>;
  /** By default, an invalid configuration file ends the command. */
  readonly tellsMisconfiguration?: true;
}

/** A command as the program's help lists it. */
export interface CommandDescription {
  readonly name: string;
  /** Follows the name in the help. */
  readonly usage: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/** Checks that an argument is one of some words. @throws UsageError naming the command. */
export function chosenArgument<Word extends string>(command: string, given: string, words: readonly Word[]) {
  try {
    return chosen(given, words);
  } catch (error) {
    throw usageError(command, error);
  }
}

/** A process that receives signals; tests pass their own. */
interface SignalledProcess {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
  exit(code: number): void;
}

/** npm and systemd may both forward the same SIGTERM; signals within this time (ms) count as one. */
const sameSignalMs = 1000;

/**
 * Resolves at the first signal to stop. It keeps listening after that: npm forwards Ctrl-C to a process that already got
 * it from the terminal, and the second one must not end it before running requests are answered and files are removed.
 * A repeated SIGTERM means "do not wait": it exits at once with code 1, like kube-apiserver.
 */
export function stopSignals(
  signalled: SignalledProcess,
  now: () => number = () => performance.now(),
): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      let terminatedAt: number | undefined;
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        signalled.on(signal, () => {
          resolve();
          if (signal !== 'SIGTERM') return;
          terminatedAt ??= now();
          if (now() - terminatedAt > sameSignalMs) signalled.exit(1);
        });
      }
    });
}
