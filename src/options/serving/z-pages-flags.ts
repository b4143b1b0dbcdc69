import { parseBoolean } from '../flag-values.js';
import { booleanOf, type Flag, type FlagValues } from '../flags.js';

const enableZPages: Flag = {
  name: '--enable-z-pages',
  default: 'false',
  description:
    "whether /statusz, /flagz and / serve this process' status, its flags and its paths, each to whoever may read that path; as text, as HTML for browsers, or as Kubernetes' objects",
};

export const zPagesFlags: readonly Flag[] = [enableZPages];

/** @throws UsageError naming the flag. */
export function servesZPages(values: FlagValues): boolean {
  return parseBoolean(enableZPages.name, booleanOf(values, enableZPages));
}
