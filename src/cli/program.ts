import { Command as CommanderCommand, CommanderError, type Help } from 'commander';
import { packageVersion } from '../package-version.js';
import { configFlag } from '../options/configuration/config-flag.js';
import type { ConfiguredValues } from '../options/configuration/configured-values.js';
import { addFlags, isGiven, type Flag, type FlagValues } from '../options/flags.js';
import { UsageError } from '../options/usage-error.js';
import type { Command, Terminal } from './command.js';
import { commands } from './commands.js';
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

/** All commands by name and description; only the one that is asked for is loaded. */
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
  // The program itself has no flag that takes a value.
  const [first, second] = args.filter((arg) => !arg.startsWith('-'));
  const asked = first === 'help' ? second : first;
  const isHelp = first === 'help' || args.includes('--help') || args.includes('-h');
  for (const description of commands) {
    const described = withTerminal(program.command(description.name), terminal).description(
      description.description,
    );
    if (description.name !== asked) continue;
    const command = await description.load();
    await addParameters(described, command, isHelp);
    described.action(async (...call: readonly unknown[]) => {
      const count = command.args?.length ?? 0;
      const given = call.slice(0, count) as readonly (string | undefined)[];
      finish(await runConfigured(command, given, call[count] as FlagValues, terminal));
    });
  }
  return program;
}

async function addParameters(
  described: CommanderCommand,
  { args = [], flags }: Command,
  isHelp: boolean,
): Promise<void> {
  for (const { name, description, isOptional = false } of args) {
    described.argument(isOptional ? `[${name}]` : `<${name}>`, description);
  }
  const topics = isHelp ? (await import('../options/start-topics.js')).startTopics : [];
  // A command's own flags stand beside `--help` itself.
  const headingOf = (flag: Flag): string =>
    topics.find((topic) => topic.flags.includes(flag))?.heading ?? 'Options';
  addFlags(described, flags, headingOf);
}

/** With what a configuration file says, where the command takes one. @throws UsageError in the file's words. */
async function runConfigured(
  { flags, run: runCommand, runMisconfigured }: Command,
  args: readonly (string | undefined)[],
  given: FlagValues,
  terminal: Terminal,
): Promise<number> {
  let configured: ConfiguredValues;
  try {
    configured = await configuredBy(given, flags);
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

async function configuredBy(given: FlagValues, flags: readonly Flag[]): Promise<ConfiguredValues> {
  // The primary reads the file once, and tells its workers.
  if (!isGiven(given, configFlag) || isWorkerProcess()) {
    return { values: given, inOwnWords: (message) => message };
  }
  const { configuredValues } = await import('../options/configuration/configured-values.js');
  return configuredValues(given, flags);
}

/** One line a fault, and no exit from within. */
function withTerminal(command: CommanderCommand, { print, printError }: Terminal): CommanderCommand {
  return command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth, formatItem: formatHelpItem, subcommandTerm })
    .configureOutput({
      writeOut: (text) => {
        print(text.trimEnd());
      },
      writeErr: (text) => {
        printError(text.trim().replace(/\s+/g, ' '));
      },
    });
}

/** Columns of `--help`. */
const helpWidth = 80;
const indent = ' '.repeat(6);

/** The flag on a line of its own, as Go prints it: kubernetes' names leave no room for a second column. */
function formatHelpItem(term: string, _termWidth: number, description: string, helper: Help): string {
  const text = helper.boxWrap(description, helpWidth - indent.length);
  return `  ${term}${text === '' ? '' : `\n${text.replace(/^/gm, indent)}`}`;
}

function subcommandTerm(command: CommanderCommand): string {
  const usage = commands.find(({ name }) => name === command.name())?.usage ?? command.usage();
  return `${command.name()} ${usage}`.trim();
}
