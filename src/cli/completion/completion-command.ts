import { chosenArgument, type Command, type CommandDescription } from '../command.js';
import { bashCompletion } from './bash.js';
import { describeCompletion } from './completion-description.js';
import { fishCompletion } from './fish.js';
import { zshCompletion } from './zsh.js';

const shells = ['bash', 'zsh', 'fish'] as const;

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** Prints a script that completes the commands, this one included, and their flags. */
export function completionCommand(commands: readonly CommandDescription[]): Command {
  return {
    args: [{ name: 'shell', description: shells.join(', '), choices: shells }],
    topics: [],
    run: async ({ args: [shell = ''], terminal }) => {
      const script = scripts[chosenArgument('completion', shell, shells)];
      terminal.print(script(await describeCompletion(commands)).trimEnd());
      return 0;
    },
  };
}
