import { programName } from './completion-description.js';
import type { CompletedCommand, CompletedFlag } from './completion-description.js';

/** A script for fish 3. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const lines = [
    `# fish completion of ${programName}: ${programName} completion fish | source`,
    `${complete} -f`,
    `${complete} -s h -l help -d 'show help'`,
    `${complete} -n __fish_use_subcommand -l version -d 'show the version'`,
    ...commands.flatMap(({ name, description, flags, words }) => [
      `${complete} -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
      ...(words.length === 0 ? [] : [`${behind(name)} -a ${quoted(words.join(' '))}`]),
      ...flags.map((flag) => `${behind(name)} ${argumentsOf(flag)}`),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

const complete = `complete -c ${programName}`;

function behind(command: string): string {
  return `${complete} -n '__fish_seen_subcommand_from ${command}'`;
}

function argumentsOf({ name, short, description, value, isBoolean }: CompletedFlag): string {
  return [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    `-l ${name.slice(2)}`,
    // The value is optional.
    ...(isBoolean ? [] : [valueOf(value)]),
    `-d ${quoted(description)}`,
  ].join(' ');
}

function valueOf(value: CompletedFlag['value']): string {
  switch (value.kind) {
    case 'words':
      return `-x -a ${quoted(value.words.join(' '))}`;
    case 'file':
      return '-r -F';
    case 'directory':
      return "-x -a '(__fish_complete_directories)'";
    case 'text':
      return '-x';
  }
}

/** Quotes any text as one word of fish. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
