import { chosen } from '../options/option-kinds.js';
import type { GivenOptions, Topic } from '../options/option.js';
import { usageError, type UsageError } from '../options/usage-error.js';

/** Where a command writes, and what ends it; the tests bring their own. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  /** Resolves when a person or the system asks the process to stop. */
  readonly stopRequested: () => Promise<void>;
  /** Of a server, a line each. Default: stderr. */
  readonly log?: { readonly write: (line: string) => void };
}

export interface CommandArgument {
  readonly name: string;
  readonly description: string;
  readonly isOptional?: boolean;
  readonly choices?: readonly string[];
}

/** One call of a command. */
export interface CommandCall {
  /** In the order of the command's own; undefined where one is left out. */
  readonly args: readonly (string | undefined)[];
  /** With those of the configuration file. */
  readonly values: GivenOptions;
  readonly terminal: Terminal;
  /** See `ConfiguredOptions`. */
  readonly withConfigFieldNames: (message: string) => string;
}

/** What a command takes and does: loaded when it is called, or when its help or completion is asked for. */
export interface Command {
  readonly args?: readonly CommandArgument[];
  /** What it takes, under the headings of its help. */
  readonly topics: readonly Topic[];
  /** Resolves to the exit code. @throws UsageError */
  readonly run: (call: CommandCall) => Promise<number>;
  /** Called instead where the configuration file cannot be read; without it, the fault ends the command. */
  readonly runMisconfigured?: (
    fault: UsageError,
    call: Pick<CommandCall, 'values' | 'terminal'>,
  ) => Promise<number>;
}

/** What the program's help lists. */
export interface CommandDescription {
  readonly name: string;
  /** What may follow the name. */
  readonly usage: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/** One of the words that an argument may be. @throws UsageError naming the command. */
export function chosenArgument<Word extends string>(
  command: string,
  given: string,
  words: readonly Word[],
): Word {
  try {
    return chosen(given, words);
  } catch (error) {
    throw usageError(command, error);
  }
}

/** A process that signals come to; the tests bring their own. */
export interface SignalledProcess {
  readonly on: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void) => void;
  readonly exit: (code: number) => void;
}

/** npm and systemd may each pass the same SIGTERM on; within this time (ms) it is one. */
const sameSignalMs = 1000;

/**
 * Makes what resolves at the first signal to stop. It listens on after that: npm passes Ctrl-C on to a process that the
 * terminal has told already, and the second one must not end it before requests under way are answered and files
 * removed. But who sends SIGTERM again does not want to wait: exit code 1, at once, as kube-apiserver ends.
 */
export function stopSignals(
  { on, exit }: SignalledProcess,
  now: () => number = () => performance.now(),
): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      let terminatedAt: number | undefined;
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        on(signal, () => {
          resolve();
          if (signal !== 'SIGTERM') return;
          terminatedAt ??= now();
          if (now() - terminatedAt > sameSignalMs) exit(1);
        });
      }
    });
}
