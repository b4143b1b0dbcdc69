import type { FlagInForce } from '../../server/z-pages/server-status.js';
import { kindOf } from '../flag-kind.js';
import { booleanOf, listOf, valueOf, type Flag, type FlagValues } from '../flags.js';

/** Every flag with its value, given or by default; one without either is empty, as in Kubernetes' `/flagz`. */
export function flagsInForce(values: FlagValues, flags: readonly Flag[]): readonly FlagInForce[] {
  return flags.map((flag) => ({ name: flag.name.replace(/^--/, ''), value: textOf(values, flag) }));
}

function textOf(values: FlagValues, flag: Flag): string {
  if (flag.isList) return listOf(values, flag).join(',');
  if (kindOf(flag) === 'boolean') return String(booleanOf(values, flag));
  return valueOf(values, flag) ?? '';
}
