import type { MetricType } from './metric-type.js';

/** A piece of an exposition. All pieces' `bytes`, one after another, are the exposition itself. */
export type ExpositionPart = MetricFamily | SampleBatch | CommentLine | EndOfExposition;

/** What stands before the samples of one metric. Also where nothing does: then `bytes` are empty. */
export interface MetricFamily {
  readonly kind: 'family';
  readonly name: string;
  /** `unknown` where nothing says so. */
  readonly type: MetricType;
  /** As escaped. */
  readonly help?: string;
  readonly unit?: string;
  /** The first line of the family, counted from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  /** `bytes` without the comments in between. */
  readonly header: Buffer;
}

/** Samples of the family before, one a line, all of one name. A family has any number of batches. */
export interface SampleBatch {
  readonly kind: 'samples';
  /** The family's name, or that with a suffix such as `_bucket`. */
  readonly sampleName: string;
  /** The first line of the batch, counted from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  /** `bytes` as Latin-1: each character is one of them. */
  readonly text: string;
  /** For each line, where its name ends. */
  readonly nameEnds: readonly number[];
  /** For each line, where the next one begins. */
  readonly lineEnds: readonly number[];
}

/** A line that says nothing to a scraper. */
export interface CommentLine {
  readonly kind: 'comment';
  readonly isBlank: boolean;
  readonly bytes: Buffer;
}

/** OpenMetrics' `# EOF`. */
export interface EndOfExposition {
  readonly kind: 'end';
  readonly bytes: Buffer;
}
