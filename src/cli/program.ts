import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package-version.js';
import type { CommandDescription, Terminal } from './command.js';
import { commands } from './commands.js';
import { configuredValues, type ConfiguredValues } from '../options/configuration/configured-values.js';
import { addFlags, type Flag, type FlagValues } from '../options/flags.js';
import { formatHelpItem, helpWidth } from './help.js';
import { startTopics } from './start.js';
import { UsageError } from '../options/usage-error.js';
import { isWorkerProcess } from './workers/worker-process.js';

/** Runs a command line (without node and script); resolves to the exit code. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0;
  const program = describeProgram(terminal, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version come this way too, with exit code 0.
      return error.exitCode === 0 ? 0 : 2;
    }
    if (error instanceof UsageError) {
      terminal.printError(error.message);
      return error.exitCode;
    }
    throw error;
  }
}

function describeProgram(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const program = withTerminal(new Command('kcp-metrics-filter'), terminal)
    .description(
      'Guards /metrics as kcp does: rejects, authenticates, authorizes, then serves the exposition.',
    )
    .version(packageVersion);
  for (const description of commands) {
    describeCommand(withTerminal(program.command(description.name), terminal), description).action(
      async (...call: readonly unknown[]) => {
        const count = description.args?.length ?? 0;
        const args = call.slice(0, count) as readonly (string | undefined)[];
        finish(await runConfigured(description, args, call[count] as FlagValues, terminal));
      },
    );
  }
  return program;
}

function describeCommand(command: Command, { description, args = [], flags }: CommandDescription): Command {
  command.description(description);
  for (const argument of args) {
    command.argument(argument.isOptional ? `[${argument.name}]` : `<${argument.name}>`, argument.description);
  }
  return addFlags(command, flags, headingOf);
}

/** Under which heading of `--help`; beside `--help` itself, where no flag of `start` is like it. */
function headingOf(flag: Flag): string {
  return startTopics.find(({ flags }) => flags.includes(flag))?.heading ?? 'Options';
}

/** With what a configuration file says, where the command takes one. @throws UsageError in the file's words. */
async function runConfigured(
  { flags, run: runCommand, runMisconfigured }: CommandDescription,
  args: readonly (string | undefined)[],
  given: FlagValues,
  terminal: Terminal,
): Promise<number> {
  let configured: ConfiguredValues;
  try {
    // The primary has read the file once, and tells its workers.
    configured = isWorkerProcess() ? asGiven(given) : await configuredValues(given, flags);
  } catch (error) {
    if (!(error instanceof UsageError) || runMisconfigured === undefined) throw error;
    return await runMisconfigured(error, { values: given, terminal });
  }
  const { values, inOwnWords } = configured;
  try {
    return await runCommand({ args, values, terminal, inOwnWords });
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(inOwnWords(error.message)) : error;
  }
}

function asGiven(values: FlagValues): ConfiguredValues {
  return { values, inOwnWords: (message) => message };
}

/** One line a fault, and no exit from within. */
function withTerminal(command: Command, { print, printError }: Terminal): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth, formatItem: formatHelpItem })
    .configureOutput({
      writeOut: (text) => {
        print(text.trimEnd());
      },
      writeErr: (text) => {
        printError(text.trim().replace(/\s+/g, ' '));
      },
    });
}
