import type { Metadata } from './metadata-line.js';

/** What a part of an exposition says. Comments say nothing to a scraper, and are no part. */
export type ExpositionPart = FamilyMetadata | SampleBatch | BlankLine | EndOfExposition;

/** A HELP, TYPE or UNIT. It may stand anywhere, and say something else of a metric than one before it. */
export interface FamilyMetadata {
  readonly kind: 'metadata';
  readonly family: string;
  readonly metadata: Metadata;
}

/**
 * Samples, one a line, all of one name: plain ones as they came, any other written as a plain one. So all of them have
 * no blank where none has to be, `\\`, `\"` and `\n` as their only escapes, and no label twice. A name that is not of
 * `[a-zA-Z0-9_:]` stands as the first in the braces, quoted, and such labels are quoted, too.
 */
export interface SampleBatch {
  readonly kind: 'samples';
  /** A family's name, or that with a suffix such as `_bucket`. */
  readonly sampleName: string;
  /** The first line of the batch, counted from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  /** `bytes` as Latin-1: each character is one of them. */
  readonly text: string;
  /** For each line, where its name ends; with the brace and the quotation marks of a quoted one. */
  readonly nameEnds: readonly number[];
  /** For each line, where the next one begins. */
  readonly lineEnds: readonly number[];
}

/** An empty line of the text format. */
export interface BlankLine {
  readonly kind: 'blank';
}

/** OpenMetrics' `# EOF`. */
export interface EndOfExposition {
  readonly kind: 'end';
}
