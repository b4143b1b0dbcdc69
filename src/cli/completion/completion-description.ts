import { flagName, optionsIn, type Option } from '../../options/option.js';
import type { CommandDescription } from '../command.js';

type CompletedValue =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'directory' }
  /** Nothing is known of it. */
  | { readonly kind: 'text' };

export interface CompletedFlag {
  readonly name: string;
  readonly short?: string;
  readonly description: string;
  readonly value: CompletedValue;
  readonly isBoolean: boolean;
  /** Takes more values after commas. */
  readonly isList: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly CompletedFlag[];
  readonly words: readonly string[];
}

export const programName = 'kcp-metrics-filter';
/** Flags that commander adds. */
export const [help, version] = [flagName('help'), flagName('version')];

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

export function namesOf({ name, short }: CompletedFlag): readonly string[] {
  return short === undefined ? [name] : [short, name];
}

/** Quotes any text as one shell word. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
