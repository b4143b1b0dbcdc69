import type { Command } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';
import { run } from '../../src/cli/program.js';

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process; one that would go on until it is stopped is stopped at once. */
export async function command(...args: readonly string[]): Promise<Finished> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run(args, {
    print: (line) => out.push(line),
    printError: (line) => err.push(line),
    stopRequested: () => Promise.resolve(),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

export type LoadedCommand = Command & { readonly name: string; readonly usage: string };

/** Every command with its flags. */
export const loadedCommands: readonly LoadedCommand[] = await Promise.all(
  commands.map(async ({ name, usage, load }) => ({ name, usage, ...(await load()) })),
);
