import type { Exposition } from '../exposition/exposition.js';
import type { FilteredExpositionOptions } from '../exposition/relabelling/filtered-exposition.js';
import { RelabellingOptionError } from '../exposition/exposition-errors.js';
import { given as presentOnly } from '../given.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { fault, isGiven, topic, type GivenOptions, type Option } from './option.js';
import { count, file, list, pairs } from './option-kinds.js';

/** What `/metrics` serves of an exposition, and under which names. */
export const relabelling = topic('What is served', {
  keepMetrics: list(
    'globs',
    undefined,
    'globs of the metrics that /metrics serves, by their names; without it, all',
  ),
  dropMetrics: list(
    'globs',
    undefined,
    'globs of metrics that /metrics leaves out, whether they are kept or not',
  ),
  dropLabels: list(
    'labels',
    undefined,
    'labels that /metrics leaves out; of series that become the same, the first is served',
  ),
  renameLabels: pairs('old=new', /^([^=]+)=([^=]+)$/, 'labels that /metrics serves under another name'),
  labelMappingFile: file(
    { followed: true },
    "YAML or JSON of labels' values and what they become, such as labels: {namespace: {host-name: name}}; series without a mapping are left out; reloaded on change",
  ),
  maxSeries: count(0, {}, 'series of /metrics beyond which a scrape fails; 0: no bound'),
});

/** The exposition itself, where no option changes it. @throws UsageError naming the option. */
export async function relabelledOf(
  given: GivenOptions,
  exposition: Exposition,
  files: FollowedOptionFiles,
  events: Pick<FilteredExpositionOptions, 'onScrape' | 'onFailure'>,
): Promise<Exposition> {
  const options: Readonly<Record<string, Option>> = relabelling.options;
  if (!Object.values(options).some((option) => isGiven(given, option))) return exposition;
  const { labelMappingFile, ...values } = relabelling.read(given);
  const { filteredExposition } = await import('../exposition/relabelling/filtered-exposition.js');
  const { readLabelMapping } = await import('../exposition/relabelling/label-mapping.js');
  const labelMapping =
    labelMappingFile === undefined
      ? undefined
      : await files.open(relabelling.options.labelMappingFile, [labelMappingFile], readLabelMapping);
  try {
    return filteredExposition(exposition, { ...events, ...values, ...presentOnly({ labelMapping }) });
  } catch (error) {
    if (!(error instanceof RelabellingOptionError)) throw error;
    // Its options are called the same there, and its message begins with the one at fault.
    const [, key = '', message = error.message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
    const blamed = options[key];
    throw blamed === undefined
      ? fault(relabelling.options.keepMetrics, error.message)
      : fault(blamed, message);
  }
}
