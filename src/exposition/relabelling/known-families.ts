import type { MetricFamily } from '../text-format/exposition-part.js';
import { isSampleNameOf, type MetricType } from '../text-format/metric-type.js';
import { SeriesLimitError } from './relabelling-error.js';

const maxFamilies = 200_000;

/** Families of one exposition that had a header, so that samples that stray from theirs are found to be of it. */
export class KnownFamilies {
  readonly #types = new Map<string, MetricType>();

  /** @throws SeriesLimitError */
  add({ name, type, header }: MetricFamily): void {
    if (header.length === 0) return;
    if (this.#types.size >= maxFamilies) {
      throw new SeriesLimitError(`more than ${maxFamilies} metrics in one scrape`);
    }
    this.#types.set(name, type);
  }

  /** What samples belong to that stand in a family of their own name, and have no header there. */
  familyOf(sampleName: string): string | undefined {
    // All suffixes have one underscore, before their word.
    const family = sampleName.slice(0, Math.max(0, sampleName.lastIndexOf('_')));
    const type = this.#types.get(family);
    return type !== undefined && isSampleNameOf(sampleName, family, type) ? family : undefined;
  }
}
