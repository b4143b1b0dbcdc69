import type { Exposition } from '../exposition/exposition.js';
import type { FilteredExpositionOptions } from '../exposition/relabelling/filtered-exposition.js';
import { labelNameFault, type PodNames } from '../exposition/relabelling/label-mapping.js';
import { RelabellingOptionError } from '../exposition/exposition-errors.js';
import { presentOnly } from '../present-only.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { fault, flagName, isGiven, topic, type GivenOptions, type Option } from './option.js';
import { count, file, list, pairs } from './option-kinds.js';

/** Filters and renames what `/metrics` serves. */
export const relabelling = topic('What is served', {
  keepMetrics: list('globs').help('globs of the names of metrics that /metrics serves; unset: all'),
  dropMetrics: list('globs').help(
    `globs of the names of metrics that /metrics leaves out, even if they match ${flagName('keepMetrics')}`,
  ),
  dropLabels: list('labels').help(
    'labels to remove from the metrics of /metrics; if series become identical, the first is served',
  ),
  renameLabels: pairs('old=new', /^([^=]+)=([^=]+)$/).help('labels to rename in the metrics of /metrics'),
  labelMappingFile: file({ followed: true }).help(
    'YAML or JSON file that maps values of labels, such as labels: {namespace: {host-name: name}}; series without a mapping are left out; reloaded on change',
  ),
  maxSeries: count(0).help('maximum number of series of /metrics; a scrape with more fails; 0: no limit'),
});

export function labelName(name: string): string {
  const nameFault = labelNameFault(name);
  if (nameFault !== undefined) throw new RangeError(nameFault);
  return name;
}

/** Applies these options, and the names of pods (all, or fewer), to an exposition. @throws UsageError naming the option. */
export async function relabellingOf(
  given: GivenOptions,
  files: FollowedOptionFiles,
  events: Pick<FilteredExpositionOptions, 'onScrape' | 'onFailure'>,
  podNames: PodNames | undefined,
): Promise<(exposition: Exposition, names?: PodNames) => Exposition> {
  const options: Readonly<Record<string, Option>> = relabelling.options;
  const isUsed = podNames !== undefined || Object.values(options).some((option) => isGiven(given, option));
  if (!isUsed) return (exposition) => exposition;
  const { labelMappingFile, ...values } = relabelling.read(given);
  const { filteredExposition } = await import('../exposition/relabelling/filtered-exposition.js');
  const { readLabelMapping } = await import('../exposition/relabelling/label-mapping.js');
  const labelMapping =
    labelMappingFile === undefined
      ? undefined
      : await files.open(relabelling.options.labelMappingFile, [labelMappingFile], readLabelMapping);
  return (exposition, names = podNames) => {
    try {
      const named = presentOnly({ labelMapping, podNames: names });
      return filteredExposition(exposition, { ...events, ...values, ...named });
    } catch (error) {
      if (!(error instanceof RelabellingOptionError)) throw error;
      // Its options have the same names, and its message begins with the invalid one.
      const [, key = '', message = error.message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
      throw fault(options[key] ?? relabelling.options.keepMetrics, message);
    }
  };
}
