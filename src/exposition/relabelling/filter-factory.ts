import { ExpositionFilter } from './exposition-filter.js';
import type { LabelMapping } from './label-mapping.js';
import { checkLabelChanges, labelRules, type LabelRule } from './label-rules.js';
import { metricNameRule } from './metric-name-rules.js';
import { RelabellingOptionError } from '../exposition-errors.js';

export interface SeriesRules {
  /** Globs of metrics to keep, by the name of a family or of its samples; without any, all. */
  readonly keepMetrics?: readonly string[];
  /** Globs of metrics to leave out, whether they are kept or not. */
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
  /** A scrape with more series (sample lines) fails. Default 0: no bound. */
  readonly maxSeries?: number;
}

/** Makes the filter of one scrape; what the rules say is checked before. @throws RelabellingOptionError */
export function filterFactory(rules: SeriesRules): () => ExpositionFilter {
  const { keepMetrics = [], dropMetrics = [], dropLabels = [], renameLabels = {}, maxSeries = 0 } = rules;
  if (!Number.isSafeInteger(maxSeries) || maxSeries < 0) {
    throw new RelabellingOptionError('maxSeries: must be a whole number, 0 for no bound');
  }
  const metricNames = metricNameRule({ keepMetrics, dropMetrics });
  const changes = { dropLabels, renameLabels };
  checkLabelChanges(changes);
  const areChanged = dropLabels.length > 0 || Object.keys(renameLabels).length > 0;
  let mapping: LabelMapping | undefined;
  let labels: readonly LabelRule[] | undefined;
  return () => {
    const current = rules.labelMapping?.current;
    if (labels === undefined || current !== mapping) labels = labelRules(changes, current);
    mapping = current;
    const mayJoinSeries = areChanged || mapping?.isOneToOne === false;
    return new ExpositionFilter({ metricNames, labels, mayJoinSeries, maxSeries });
  };
}
