import type Micromatch from 'micromatch';
import { createRequire } from 'node:module';
import {
  labelNameFault,
  podLabels,
  requireNoFault,
  type LabelMapping,
  type LabelValueTable,
  type PodLabel,
  type PodNames,
} from './label-mapping.js';

/** Which series an exposition keeps, and under which labels. */
export interface SeriesRules {
  /** Globs of metrics to keep, by the name of a family or of its samples; without any, all. */
  readonly keepMetrics?: readonly string[];
  /** Globs of metrics to leave out, even if they match one above. */
  readonly dropMetrics?: readonly string[];
  /** Of series that become the same, the first is kept: nothing is summed. */
  readonly dropLabels?: readonly string[];
  /** The new name by the old one; all at once, so that two can change places. */
  readonly renameLabels?: Readonly<Record<string, string>>;
  /**
   * Read at each scrape: a FollowedFiles will do. A series without a mapping for every label of it is left out. Labels
   * are mapped first, by their old names, then dropped or renamed.
   */
  readonly labelMapping?: { readonly current: LabelMapping };
  /**
   * Names for the labels `namespace` and `pod`, and for `exported_namespace` and `exported_pod`, which then count
   * instead. A series is left out unless its pod has a name; a name of the pod that was scraped for it, if that has none.
   * Read line by line. Labels are mapped first, as above.
   */
  readonly podNames?: PodNames;
  /** A scrape with more series (sample lines) fails. Default 0: no bound. */
  readonly maxSeries?: number;
}

/** The rules as they apply to one scrape. */
export interface CurrentRules {
  /** Whether samples of this name, in this family, are kept; undefined where all are. */
  readonly metricNames: ((family: string, sampleName: string) => boolean) | undefined;
  readonly labels: readonly LabelRule[];
  /** Whether two series may get the same labels. */
  readonly mayJoinSeries: boolean;
  readonly podNames: PodNames | undefined;
  readonly maxSeries: number;
}

/** What becomes of one label. */
export interface LabelRule {
  readonly label: Buffer;
  readonly isDropped: boolean;
  readonly newName: Buffer | undefined;
  /** Series whose value is not in it are left out. */
  readonly values: LabelValueTable | undefined;
  /** Which name of a pod it holds, where these are mapped. */
  readonly podLabel: PodLabel | undefined;
}

/** Checks the rules; the function returned says how they apply to the next scrape. @throws RelabellingOptionError */
export function checkedRules(rules: SeriesRules): () => CurrentRules {
  const { dropLabels = [], renameLabels = {}, maxSeries = 0, podNames } = rules;
  const isBound = Number.isSafeInteger(maxSeries) && maxSeries >= 0;
  requireNoFault('maxSeries', isBound ? undefined : 'must be a whole number, 0 for no bound');
  const metricNames = metricNameRule(rules);
  for (const label of dropLabels) {
    const isRenamed = Object.hasOwn(renameLabels, label);
    requireNoFault(
      'dropLabels',
      labelNameFault(label) ?? (isRenamed ? `"${label}" is renamed, too` : undefined),
    );
  }
  const renamed = Object.entries(renameLabels);
  for (const [at, [from, to]] of renamed.entries()) {
    requireNoFault('renameLabels', labelNameFault(from) ?? labelNameFault(to));
    if (from === to) requireNoFault('renameLabels', `"${from}" becomes itself`);
    const isTaken = renamed.slice(0, at).some(([, other]) => other === to);
    if (isTaken) requireNoFault('renameLabels', `two labels become "${to}"`);
  }
  const areChanged = dropLabels.length > 0 || renamed.length > 0;
  let mapping: LabelMapping | undefined;
  let labels: readonly LabelRule[] | undefined;
  return () => {
    const current = rules.labelMapping?.current;
    if (labels === undefined || current !== mapping) {
      labels = labelRules(dropLabels, renameLabels, current, podNames !== undefined);
    }
    mapping = current;
    const mayJoinSeries = areChanged || mapping?.isOneToOne === false;
    return { metricNames, labels, mayJoinSeries, podNames, maxSeries: maxSeries || Infinity };
  };
}

const maxGlobLength = 1024;
/** Matching takes time exponential in a glob's stars, and names come from outside. */
const maxStars = 3;
const maxMatchedLength = 256;

/**
 * A glob that matches a family's name stands for all of its samples, such as `_bucket`, `_sum` and `_count`; one that
 * matches the name of samples, for these. So `requests_total` means the same in both formats, although the family is
 * called `requests` in OpenMetrics. A name too long for globs is left out. Undefined where there are no globs.
 */
function metricNameRule({ keepMetrics = [], dropMetrics = [] }: SeriesRules): CurrentRules['metricNames'] {
  if (keepMetrics.length === 0 && dropMetrics.length === 0) return undefined;
  const isKept = matcherOf(keepMetrics, 'keepMetrics');
  const isDropped = matcherOf(dropMetrics, 'dropMetrics');
  return (family, sampleName) =>
    sampleName.length <= maxMatchedLength &&
    (keepMetrics.length === 0 || isKept(sampleName) || isKept(family)) &&
    !isDropped(sampleName) &&
    !isDropped(family);
}

function matcherOf(globs: readonly string[], option: keyof SeriesRules): (name: string) => boolean {
  if (globs.length === 0) return () => false;
  // Loaded with the first glob: most users have none.
  const micromatch = createRequire(import.meta.url)('micromatch') as typeof Micromatch;
  const matchers = globs.map((glob) => {
    const fault = globFault(glob);
    requireNoFault(option, fault && `${JSON.stringify(glob.slice(0, 64))} ${fault}`);
    return micromatch.matcher(glob, { noextglob: true, nonegate: true });
  });
  return (name) => {
    // Any other name is matched as Prometheus writes it for scrapers that know plain names alone.
    const plain = name.replace(/[^a-zA-Z0-9_:]/g, '_');
    return matchers.some((matches) => matches(plain));
  };
}

function globFault(glob: string): string | undefined {
  if (glob === '' || glob.length > maxGlobLength) return `must have 1 to ${maxGlobLength} characters`;
  // A character that no name has would silently match nothing.
  if (!/^[a-zA-Z0-9_:*?,{}[\]!^-]+$/.test(glob)) return 'has a character that no glob of metric names has';
  if ((glob.match(/\*+/g) ?? []).length > maxStars) return `has more than ${maxStars} stars`;
  return undefined;
}

/** A label that is mapped and dropped decides which series are kept, and is not shown. */
function labelRules(
  dropLabels: readonly string[],
  renameLabels: Readonly<Record<string, string>>,
  mapping: LabelMapping | undefined,
  hasPodNames: boolean,
): readonly LabelRule[] {
  const ofPods = new Map<string, PodLabel>(
    hasPodNames ? (Object.keys(podLabels) as PodLabel[]).map((key) => [podLabels[key], key]) : [],
  );
  const mapped = [...(mapping?.labels ?? []), ...ofPods.keys()];
  const labels = new Set([...dropLabels, ...Object.keys(renameLabels), ...mapped]);
  return [...labels].map((label) => {
    const newName = Object.hasOwn(renameLabels, label) ? renameLabels[label] : undefined;
    return {
      label: Buffer.from(label),
      isDropped: dropLabels.includes(label),
      newName: newName === undefined ? undefined : Buffer.from(newName),
      values: mapping?.tableOf(label),
      podLabel: ofPods.get(label),
    };
  });
}
