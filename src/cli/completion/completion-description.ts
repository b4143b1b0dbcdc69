import { flagName, optionsIn, type Option } from '../../options/option.js';
import type { CommandDescription } from '../command.js';

/** What may stand in the place of a value. */
export type CompletedValue =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'directory' }
  /** Nothing is known of it. */
  | { readonly kind: 'text' };

export interface CompletedFlag {
  readonly name: string;
  readonly short?: string;
  readonly description: string;
  readonly value: CompletedValue;
  /** The value may be left out. */
  readonly isBoolean: boolean;
  /** More values follow behind commas. */
  readonly isList: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly CompletedFlag[];
  /** What may stand in the place of its first argument. */
  readonly words: readonly string[];
}

export const programName = 'kcp-metrics-filter';
/** What commander itself adds. */
export const [help, version] = [flagName('help'), flagName('version')];

/** What every shell's script is made of. */
export function describeCompletion(
  commands: readonly CommandDescription[],
): Promise<readonly CompletedCommand[]> {
  return Promise.all(
    commands.map(async ({ name, description, load }) => {
      const { topics, args } = await load();
      const flags = optionsIn(topics).map(completedFlag);
      return { name, description, flags, words: args?.[0]?.choices ?? [] };
    }),
  );
}

function completedFlag(option: Option): CompletedFlag {
  const { name, short, description, kind } = option;
  return {
    name,
    ...(short && { short }),
    description,
    value: completedValue(option),
    isBoolean: kind === 'boolean',
    isList: option.isList === true && option.keepsCommas !== true,
  };
}

function completedValue({ kind, choices }: Option): CompletedValue {
  switch (kind) {
    case 'boolean':
      return { kind: 'words', words: ['true', 'false', ...(choices ?? [])] };
    case 'file':
    case 'directory':
      return { kind };
    case 'integer':
    case 'duration':
    case 'pair':
    case 'text':
      return choices === undefined ? { kind: 'text' } : { kind: 'words', words: choices };
  }
}

/** The names of a flag, as they are typed. */
export function namesOf({ name, short }: CompletedFlag): readonly string[] {
  return short === undefined ? [name] : [short, name];
}

/** As one word of a shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
