import { addOptions } from '../options/command-line.js';
import { didYouMean } from '../options/did-you-mean.js';
import { configuration } from '../options/general-options.js';
import { isGiven, type GivenOptions } from '../options/option.js';
import { UsageError } from '../options/usage-error.js';
import { Command as CommanderCommand, CommanderError } from 'commander';
import { packageVersion } from '../own-package.js';
import type { Command, CommandCall, Terminal } from './command.js';
import { commands } from './commands.js';
import { foreignFlagAnswer } from './foreign-flags.js';
import { isWorkerProcess } from './workers/link-messages.js';

/** Runs a command line (without node and script); resolves to the exit code. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0;
  const program = await describeProgram(args, terminal, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end here, too, with exit code 0.
      return error.exitCode === 0 ? 0 : 2;
    }
    if (error instanceof UsageError) {
      terminal.printError(error.message);
      return error.exitCode;
    }
    throw error;
  }
}

/** Declares all commands and loads only the requested one. */
async function describeProgram(
  args: readonly string[],
  terminal: Terminal,
  finish: (exitCode: number) => void,
): Promise<CommanderCommand> {
  const program = withTerminal(new CommanderCommand('kcp-metrics-filter'), terminal)
    .description(
      'Guards /metrics as kcp does: rejects, authenticates, authorizes, then serves the exposition.',
    )
    .version(packageVersion);
  // The program itself has no flags with values.
  const [first, second] = args.filter((arg) => !arg.startsWith('-'));
  const asked = first === 'help' ? second : first;
  for (const description of commands) {
    const described = withTerminal(program.command(description.name), terminal);
    described.description(description.description);
    if (description.name !== asked) continue;
    const command = await description.load();
    const { args = [], rest } = command;
    for (const arg of args) {
      described.argument(arg.isOptional === true ? `[${arg.name}]` : `<${arg.name}>`, arg.description);
    }
    if (rest !== undefined) described.argument(`[${rest.name}...]`, rest.description).allowUnknownOption();
    addOptions(described, command.topics);
    described.action(async (...call: readonly unknown[]) => {
      const given = call.slice(0, args.length) as readonly (string | undefined)[];
      const [behind, values] = rest === undefined ? [[], call[args.length]] : call.slice(args.length);
      const parsed = { args: given, rest: behind as readonly string[], terminal };
      finish(await runConfigured(command, parsed, values as GivenOptions));
    });
  }
  return program;
}

/** Merges in the configuration file, if the command takes one. @throws UsageError in the file's field names. */
async function runConfigured(
  { topics, run: runCommand, tellsMisconfiguration }: Command,
  call: Pick<CommandCall, 'args' | 'rest' | 'terminal'>,
  given: GivenOptions,
): Promise<number> {
  // The primary reads the file once and sends the values to its workers.
  const unconfigured = { ...call, values: given, withConfigFieldNames: (message: string) => message };
  if (!isGiven(given, configuration.options.config) || isWorkerProcess()) return runCommand(unconfigured);
  const { configuredOptions } = await import('../options/configuration.js');
  let configured: Awaited<ReturnType<typeof configuredOptions>>;
  try {
    configured = await configuredOptions(given, topics);
  } catch (error) {
    if (!(error instanceof UsageError) || tellsMisconfiguration === undefined) throw error;
    return runCommand({ ...unconfigured, misconfiguration: error });
  }
  const { given: values, withConfigFieldNames, check } = configured;
  // A command that tells of a broken file tells of its values, too.
  if (tellsMisconfiguration === undefined) check();
  try {
    return await runCommand({ ...call, values, withConfigFieldNames });
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(withConfigFieldNames(error.message)) : error;
  }
}

/** Prints one line per error and does not exit the process. */
function withTerminal(command: CommanderCommand, { print, printError }: Terminal): CommanderCommand {
  command.exitOverride().configureHelp({
    helpWidth,
    // The flag on its own line, as Go prints it: Kubernetes' long names leave no room for a second column.
    formatItem: (term, _termWidth, description, helper) => {
      const text = helper.boxWrap(description, helpWidth - indent.length);
      return `  ${term}${text === '' ? '' : `\n${text.replace(/^/gm, indent)}`}`;
    },
    subcommandTerm: (one) => {
      const usage = commands.find(({ name }) => name === one.name())?.usage ?? one.usage();
      return `${one.name()} ${usage}`.trim();
    },
  });
  // It would compare a flag together with its value.
  command.showSuggestionAfterError(false);
  return command.configureOutput({
    writeOut: (text) => {
      print(text.trimEnd());
    },
    writeErr: (text) => {
      printError(text.trimEnd());
    },
    outputError: (text, write) => {
      write(explained(text.trim().replace(/\s+/g, ' '), command));
    },
  });
}

/** Says which flag or command may have been meant, and leaves out the value, which may be a secret. */
function explained(text: string, { options, commands: subcommands }: CommanderCommand): string {
  const [, what, name = ''] = /^error: unknown (option|command) '([^=]*).*'$/.exec(text) ?? [];
  if (what === undefined) return text;
  const foreign = foreignFlagAnswer(name);
  if (foreign !== undefined) return `error: unknown option: ${foreign}`;
  const known =
    what === 'option' ? options.map(({ long }) => long ?? '') : subcommands.map((one) => one.name());
  return `error: unknown ${what} '${name}'${didYouMean(name, known)}`;
}

const helpWidth = 80;
const indent = ' '.repeat(6);
