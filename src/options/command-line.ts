import { Option as CommanderOption, type Command } from 'commander';
import { splitList, textOf, type Topic } from './option.js';
/** Adds the options of some topics to a command, each topic under its heading in the help. */
export function addOptions(command: Command, topics: readonly Topic[]): Command {
  for (const { heading, options } of topics) {
    for (const option of Object.values(options)) {
      const { name, short, kind, placeholder = '', description } = option;
      const value = kind === 'boolean' ? '[boolean]' : `<${placeholder}>`;
      const preset = option.default === undefined ? '' : ` (default ${textOf(option) || 'empty'})`;
      const flags = short === undefined ? name : `${short}, ${name}`;
      const added = new CommanderOption(`${flags} ${value}`, `${description}${preset}`);
      command.addOption(added.helpGroup(`${heading}:`));
      if (option.isList !== true) continue;
      added.argParser((text: string, earlier: readonly string[] | undefined) => [
        ...(earlier ?? []),
        ...splitList(option, text),
      ]);
    }
  }
  return command;
}
