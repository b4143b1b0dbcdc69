import type { FamilyMember } from '../sources/registries/families.js';
import { valueText } from '../sources/registries/sample-text.js';
import type { ReportedFamily } from './report.js';

/** A merged family as the writer of registries takes it. */
export function mergedMember({ name, help, type, samples, values }: ReportedFamily): FamilyMember {
  return {
    metric: {
      name,
      help,
      type,
      open: ({ sampleName }) => ({
        length: samples.length,
        write: (index) => `${named(samples[index] ?? '', sampleName)} ${valueText(values[index])}\n`,
        identity: (index) => samples[index],
      }),
    },
    defaultLabels: {},
  };

  /** OpenMetrics names the samples of a counter otherwise. */
  function named(sample: string, sampleName: string): string {
    return sampleName === name || !sample.startsWith(name)
      ? sample
      : `${sampleName}${sample.slice(name.length)}`;
  }
}
