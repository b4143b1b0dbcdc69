import type { Exposition } from '../../exposition/exposition.js';
import { type LabelMapping, readLabelMapping } from '../../exposition/relabelling/label-mapping.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../exposition/relabelling/filtered-exposition.js';
import { isGiven, listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError } from '../usage-error.js';
import { RelabellingOptionError } from '../../exposition/exposition-errors.js';

const keepMetrics: Flag = {
  name: '--keep-metrics',
  value: 'globs',
  isList: true,
  description: 'globs of the metrics that /metrics serves, by their names; without it, all',
};
const dropMetrics: Flag = {
  name: '--drop-metrics',
  value: 'globs',
  isList: true,
  description: 'globs of metrics that /metrics leaves out, whether they are kept or not',
};
const dropLabels: Flag = {
  name: '--drop-labels',
  value: 'labels',
  isList: true,
  description: 'labels that /metrics leaves out; of series that become the same, the first is served',
};
const renameLabels: Flag = {
  name: '--rename-labels',
  value: 'old=new',
  isList: true,
  description: 'labels that /metrics serves under another name',
};
const labelMappingFile: Flag = {
  name: '--label-mapping-file',
  value: 'file',
  description:
    "YAML or JSON of labels' values and what they become, such as labels: {namespace: {host-name: name}}; series without a mapping are left out; reloaded on change",
};
const maxSeries: Flag = {
  name: '--max-series',
  value: 'count',
  default: '0',
  description: 'series of /metrics beyond which a scrape fails; 0: no bound',
};

/** What `/metrics` serves of an exposition, and under which names. */
export const relabellingFlags: readonly Flag[] = [
  keepMetrics,
  dropMetrics,
  dropLabels,
  renameLabels,
  labelMappingFile,
  maxSeries,
];

/** Which flag an option of the filter comes from. */
const flagsOfOptions: Readonly<Record<string, Flag>> = {
  keepMetrics,
  dropMetrics,
  dropLabels,
  renameLabels,
  maxSeries,
};

/** The exposition itself, where no flag changes it. @throws UsageError naming the flag. */
export async function relabelledOf(
  values: FlagValues,
  exposition: Exposition,
  files: FollowedFlagFiles,
  events: Pick<FilteredExpositionOptions, 'onScrape' | 'onFailure'>,
): Promise<Exposition> {
  if (!relabellingFlags.some((flag) => isGiven(values, flag))) return exposition;
  const labelMapping = await mappingOf(values, files);
  try {
    return filteredExposition(exposition, {
      ...events,
      keepMetrics: listOf(values, keepMetrics),
      dropMetrics: listOf(values, dropMetrics),
      dropLabels: listOf(values, dropLabels),
      renameLabels: renamesOf(values),
      maxSeries: countOf(values),
      ...(labelMapping === undefined ? {} : { labelMapping }),
    });
  } catch (error) {
    if (!(error instanceof RelabellingOptionError)) throw error;
    const [, option = '', fault = error.message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
    const flag = flagsOfOptions[option];
    throw new UsageError(
      flag === undefined ? `${keepMetrics.name}: ${error.message}` : `${flag.name}: ${fault}`,
    );
  }
}

async function mappingOf(
  values: FlagValues,
  files: FollowedFlagFiles,
): Promise<{ readonly current: LabelMapping } | undefined> {
  const file = valueOf(values, labelMappingFile);
  return file === undefined ? undefined : files.open(labelMappingFile, [file], readLabelMapping);
}

function renamesOf(values: FlagValues): Readonly<Record<string, string>> {
  const renames = new Map<string, string>();
  for (const pair of listOf(values, renameLabels)) {
    const [, from, to] = /^([^=]+)=([^=]+)$/.exec(pair) ?? [];
    if (from === undefined || to === undefined) {
      throw new UsageError(`${renameLabels.name}: ${JSON.stringify(pair)} is not old=new`);
    }
    if (renames.has(from)) {
      throw new UsageError(`${renameLabels.name}: ${JSON.stringify(from)} stands there twice`);
    }
    renames.set(from, to);
  }
  return Object.fromEntries(renames);
}

function countOf(values: FlagValues): number {
  const text = valueOf(values, maxSeries) ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${maxSeries.name}: ${JSON.stringify(text)} is no whole number`);
}
