import type { CommandDescription } from '../command.js';
import { kindOf } from '../../options/flag-kind.js';
import type { Flag } from '../../options/flags.js';

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

/** What every shell's script is made of. */
export function describeCompletion(
  commands: readonly CommandDescription[],
): Promise<readonly CompletedCommand[]> {
  return Promise.all(
    commands.map(async ({ name, description, load }) => {
      const { flags, args } = await load();
      return { name, description, flags: flags.map(completedFlag), words: args?.[0]?.choices ?? [] };
    }),
  );
}

function completedFlag(flag: Flag): CompletedFlag {
  const { name, short, description } = flag;
  return {
    name,
    ...(short === undefined ? {} : { short }),
    description,
    value: completedValue(flag),
    isBoolean: kindOf(flag) === 'boolean',
    isList: flag.isList === true && flag.keepsCommas !== true,
  };
}

function completedValue(flag: Flag): CompletedValue {
  if (flag.choices !== undefined) return { kind: 'words', words: flag.choices };
  const kind = kindOf(flag);
  switch (kind) {
    case 'boolean':
      return { kind: 'words', words: ['true', 'false'] };
    case 'file':
    case 'directory':
      return { kind };
    case 'integer':
    case 'duration':
    case 'pair':
    case 'text':
      return { kind: 'text' };
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
