import { Command, CommanderError, Option, type Help } from 'commander';
import { packageVersion } from '../package-version.js';
import { canI, canIFlags, extraFlag } from './can-i.js';
import { demo } from './demo.js';
import { doctor, doctorFlags } from './doctor.js';
import { addFlags, type FlagValues } from './flags.js';
import { replicate, replicateFlags } from './replicate.js';
import { start, startFlags } from './start.js';
import { UsageError } from './usage-error.js';
import { whoCan, whoCanFlags } from './who-can.js';

/** Where a command writes, and what ends it; the tests bring their own. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  /** Resolves when a person or the system asks the process to stop. */
  readonly stopRequested: () => Promise<void>;
}

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
  const program = configured(new Command('kcp-metrics-filter'), terminal)
    .description(
      'Guards /metrics as kcp does: rejects, authenticates, authorizes, then serves the exposition.',
    )
    .version(packageVersion);

  addFlags(
    configured(program.command('start'), terminal).description('serve /metrics and health over TLS'),
    startFlags,
  ).action(async (values: FlagValues) => {
    const server = await start(values);
    await terminal.stopRequested();
    await server.close();
  });

  addFlags(
    configured(program.command('doctor'), terminal).description(
      'check what start would need, without listening; exit code 1 with warnings, 2 with errors',
    ),
    doctorFlags,
  ).action(async (values: FlagValues) => {
    finish(await doctor(values, terminal));
  });

  configured(program.command('demo'), terminal)
    .description('start two shards and a cache server with throwaway keys and show who may scrape what')
    .option('--check', 'end after the table; exit code 0 when every answer is as expected, otherwise 1')
    .action(async ({ check }: { readonly check?: true }) => {
      finish(
        await demo({ check: check === true, print: terminal.print, stopRequested: terminal.stopRequested }),
      );
    });

  addFlags(
    configured(program.command('can-i'), terminal)
      .description('say whether a user may, from the policy alone; exit code 0 for yes, 1 for no')
      .argument('[verb]', 'such as get')
      .argument('[path]', 'such as /metrics')
      .addOption(
        new Option('-f, --filename <file>', 'SubjectAccessReviews (JSON, YAML) to answer; - reads stdin'),
      )
      .addOption(
        new Option(`${extraFlag.name} <key=value>`, extraFlag.description).argParser(
          (pair: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), pair],
        ),
      ),
    canIFlags,
  ).action(async (verb: string | undefined, path: string | undefined, values: FlagValues) => {
    const { filename, extra = [] } = values as { filename?: string; extra?: readonly string[] };
    const asked = {
      ...(verb === undefined ? {} : { verb }),
      ...(path === undefined ? {} : { path }),
      ...(filename === undefined ? {} : { filename }),
      extras: extra,
    };
    finish(await canI(asked, values, terminal));
  });

  addFlags(
    configured(program.command('who-can'), terminal)
      .description('list everybody who is granted a verb on a path')
      .argument('<verb>', 'such as get')
      .argument('<path>', 'such as /metrics'),
    whoCanFlags,
  ).action(async (verb: string, path: string, values: FlagValues) => {
    finish(await whoCan({ verb, path }, values, terminal));
  });

  addFlags(
    configured(program.command('replicate'), terminal).description(
      "annotate root's bindings of shard-level paths, so that kcp copies them to every shard",
    ),
    replicateFlags,
  ).action(async (values: FlagValues) => {
    finish(await replicate(values, terminal));
  });
  return program;
}

const helpWidth = 80;
const helpIndent = ' '.repeat(6);

/** The flag on a line of its own, as Go prints it: kubernetes' names leave no room for a second column. */
function formatHelpItem(term: string, _termWidth: number, description: string, helper: Help): string {
  const text = helper.boxWrap(description, helpWidth - helpIndent.length);
  return `  ${term}${text === '' ? '' : `\n${text.replace(/^/gm, helpIndent)}`}`;
}

/** One line a fault, and no exit from within. */
function configured(command: Command, { print, printError }: Terminal): Command {
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
