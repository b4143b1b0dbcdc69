import micromatch from 'micromatch';
import { RelabellingOptionError } from '../exposition-errors.js';

export interface MetricNameGlobs {
  /** What is kept; without any, all. */
  readonly keepMetrics: readonly string[];
  /** What is left out, whether it is kept or not. */
  readonly dropMetrics: readonly string[];
}

/** Whether samples of this name, in this family, are kept. */
export type MetricNameRule = (family: string, sampleName: string) => boolean;

type Matcher = (name: string) => boolean;

const maxGlobLength = 1024;
/** A glob takes time by the power of its stars, and names come from elsewhere. */
const maxStars = 3;
const maxMatchedLength = 256;

/**
 * A glob that matches a family's name stands for all of its samples, `_bucket`, `_sum` and `_count` among them; one
 * that matches the name of samples for these. So `requests_total` means the same in both formats, although the
 * OpenMetrics family is called `requests`. A name too long for globs is left out. Undefined where there are none.
 *
 * @throws RelabellingOptionError
 */
export function metricNameRule({ keepMetrics, dropMetrics }: MetricNameGlobs): MetricNameRule | undefined {
  if (keepMetrics.length === 0 && dropMetrics.length === 0) return undefined;
  const isKept = anyOf(keepMetrics, 'keepMetrics');
  const isDropped = anyOf(dropMetrics, 'dropMetrics');
  return (family, sampleName) =>
    sampleName.length <= maxMatchedLength &&
    (keepMetrics.length === 0 || isKept(sampleName) || isKept(family)) &&
    !isDropped(sampleName) &&
    !isDropped(family);
}

function anyOf(globs: readonly string[], option: keyof MetricNameGlobs): Matcher {
  const matchers = globs.map((glob) => {
    const fault = globFault(glob);
    if (fault !== undefined) {
      throw new RelabellingOptionError(`${option}: ${JSON.stringify(glob.slice(0, 64))} ${fault}`);
    }
    return micromatch.matcher(glob, { noextglob: true, nonegate: true });
  });
  return (name) => {
    // Globs are of plain names: any other is matched as Prometheus writes it for those who know these alone.
    const plain = name.replace(/[^a-zA-Z0-9_:]/g, '_');
    return matchers.some((matches) => matches(plain));
  };
}

function globFault(glob: string): string | undefined {
  if (glob === '' || glob.length > maxGlobLength) return `must have 1 to ${maxGlobLength} characters`;
  // Anything else can stand in no name, and so would keep or drop nothing without a word.
  if (!/^[a-zA-Z0-9_:*?,{}[\]!^-]+$/.test(glob)) return 'has a character that no glob of metric names has';
  if ((glob.match(/\*+/g) ?? []).length > maxStars) return `has more than ${maxStars} stars`;
  return undefined;
}
