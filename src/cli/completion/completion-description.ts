import { flagName, optionsIn, type Option } from '../../options/option.js';
import type { CommandDescription } from '../command.js';

export type CompletedFlag = ReturnType<typeof completedFlag>;
export type CompletedCommand = Awaited<ReturnType<typeof describeCompletion>>[number];

export const programName = 'kcp-metrics-filter';
/** Flags that commander adds. */
export const [help, version] = [flagName('help'), flagName('version')];

export function describeCompletion(commands: readonly CommandDescription[]) {
  return Promise.all(
    commands.map(async ({ name, description, load }) => {
      const { topics, args } = await load();
      const flags = optionsIn(topics).map(completedFlag);
      // Of its first argument.
      const words = args?.[0]?.choices ?? [];
      return { name, description, flags, words };
    }),
  );
}

function completedFlag(option: Option) {
  const { name, short, description, kind, isList, keepsCommas } = option;
  return {
    name,
    short,
    description,
    value: completedValue(option),
    /** The value may be left out. */
    isBoolean: kind === 'boolean',
    /** Takes more values after commas. */
    isList: isList === true && keepsCommas !== true,
  };
}

function completedValue({ kind, choices }: Option) {
  switch (kind) {
    case 'boolean':
      return { kind: 'words', words: ['true', 'false', ...(choices ?? [])] } as const;
    case 'file':
    case 'directory':
      return { kind } as const;
    case 'integer':
    case 'duration':
    case 'pair':
    case 'text':
      return choices === undefined
        ? ({ kind: 'text' } as const)
        : ({ kind: 'words', words: choices } as const);
  }
}

export function namesOf({ name, short }: CompletedFlag): readonly string[] {
  return short === undefined ? [name] : [short, name];
}

/** Quotes any text as one shell word. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
