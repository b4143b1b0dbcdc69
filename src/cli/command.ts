import type { Flag, FlagValues } from '../options/flags.js';
import type { UsageError } from '../options/usage-error.js';

/** Where a command writes, and what ends it; the tests bring their own. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  /** Resolves when a person or the system asks the process to stop. */
  readonly stopRequested: () => Promise<void>;
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
  /** Those of a configuration file among them. */
  readonly values: FlagValues;
  readonly terminal: Terminal;
  /** See `ConfiguredValues`. */
  readonly inOwnWords: (message: string) => string;
}

/** A command: the command line, `--help` and the shell's completion are made of these. */
export interface CommandDescription {
  readonly name: string;
  readonly description: string;
  readonly args?: readonly CommandArgument[];
  readonly flags: readonly Flag[];
  /** Resolves to the exit code. @throws UsageError */
  readonly run: (call: CommandCall) => Promise<number>;
  /** In its place where the configuration file cannot be read; without it, the fault ends the command. */
  readonly runMisconfigured?: (
    fault: UsageError,
    call: Pick<CommandCall, 'values' | 'terminal'>,
  ) => Promise<number>;
}
