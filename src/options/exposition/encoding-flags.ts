import { encodedExposition } from '../../exposition/delivery/encoded-exposition.js';
import type { Exposition } from '../../exposition/exposition.js';
import { parseBoolean } from '../flag-values.js';
import { booleanOf, type Flag, type FlagValues } from '../flags.js';

const disableCompression: Flag = {
  name: '--disable-compression',
  default: 'false',
  description:
    'serve metrics as they are, to scrapers that ask for gzip or zstd, too; what an upstream has compressed is passed on',
};

/** In which coding metrics are served. */
export const encodingFlags: readonly Flag[] = [disableCompression];

/** What compresses each exposition, or leaves it as it is. @throws UsageError naming the flag. */
export function encodingOf(values: FlagValues): (exposition: Exposition) => Exposition {
  const isDisabled = parseBoolean(disableCompression.name, booleanOf(values, disableCompression));
  return isDisabled ? (exposition) => exposition : encodedExposition;
}
