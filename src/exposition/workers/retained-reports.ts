import { runStepsInSlices } from './steps-in-slices.js';
import { mergeReports, type Contribution } from './merge-reports.js';
import type { Report } from './report.js';

/** What workers that are gone have counted, added up to one report however many there were. */
export class RetainedReports {
  #sum: Report = new Map();
  #waiting: readonly Report[] = [];
  #folding: Promise<void> = Promise.resolve();

  /** In any one moment, every worker that is gone stands in these once. */
  contributions(): readonly Contribution[] {
    return [this.#sum, ...this.#waiting].map(asRetained);
  }

  add(report: Report): void {
    this.#waiting = [...this.#waiting, report];
    this.#folding = this.#folding.then(() => this.#fold(report));
  }

  async #fold(report: Report): Promise<void> {
    const sum = await runStepsInSlices(mergeReports([this.#sum, report].map(asRetained)));
    this.#sum = sum;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== report);
  }
}

function asRetained(report: Report): Contribution {
  return { report, isRetained: true };
}
