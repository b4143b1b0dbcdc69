import { kindOf } from '../flag-kind.js';
import { keyOf, type Flag } from '../flags.js';
import { startFlags } from '../start-topics.js';
import { configFlag } from './config-flag.js';

/** What a file has to begin with. */
export const apiVersion = 'kcp-metrics-filter/v1alpha1';
export const kind = 'MetricsFilterConfiguration';

/**
 * The flags of `start` by the names of their fields: the flag's words without dashes, each but the first with a
 * capital (`--client-ca-file` is `clientCaFile`), so that either name can be told from the other.
 */
export const fields: ReadonlyMap<string, Flag> = new Map(
  startFlags.filter(({ name }) => name !== configFlag.name).map((flag) => [keyOf(flag), flag]),
);

/** No command line could hold the first of them; none of them has a place in a name, a path or a glob. */
const plainText = '[^\\u0000-\\u001f\\u007f]';

/** What texts, names in a map and durations have to be, as JSON Schema writes patterns. */
export const patterns = {
  text: `^${plainText}*$`,
  pairName: '^[^=\\u0000-\\u001f\\u007f]+$',
  duration: '^([0-9]+(\\.[0-9]+)?(ms|h|m|s))+$',
} as const;

/** The words that a field of true and false takes besides. */
export function wordsBeside(flag: Flag): readonly string[] {
  return (flag.choices ?? []).filter((choice) => choice !== 'true' && choice !== 'false');
}

/** Whether each value of the list is written as an entry of a map, too. */
export function isMap(flag: Flag): boolean {
  return flag.isList === true && kindOf(flag) === 'pair';
}
