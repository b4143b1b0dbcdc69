import type { Flag, FlagKind } from './flags.js';

/** By the name that stands for the value in `--help`; of a name that is not here, it is text. */
const kinds: ReadonlyMap<string, FlagKind> = new Map([
  ['count', 'integer'],
  ['port', 'integer'],
  ['bytes', 'integer'],
  ['days', 'integer'],
  ['megabytes', 'integer'],
  ['duration', 'duration'],
  ['file', 'file'],
  ['files', 'file'],
  ['directory', 'directory'],
  ['key=value', 'pair'],
  ['old=new', 'pair'],
  ['path=URL', 'pair'],
]);

export function kindOf({ kind, value }: Pick<Flag, 'kind' | 'value'>): FlagKind {
  return kind ?? (value === undefined ? 'boolean' : (kinds.get(value) ?? 'text'));
}
