import type { FamilyMetadata } from './metadata-line.js';

/** A part of an exposition. Comments mean nothing to a scraper, and are left out. */
export type ExpositionPart =
  | FamilyMetadata
  | SampleBatch
  /** An empty line of the text format. */
  | { readonly kind: 'blank' }
  /** OpenMetrics' `# EOF`. */
  | { readonly kind: 'end' };

/**
 * Samples, one a line, all of one name: plain ones as they came, any other written as a plain one. A plain sample has
 * no needless blank, no escapes but `\\`, `\"` and `\n`, and no label twice. A name with other characters than
 * `[a-zA-Z0-9_:]` comes first in the braces, quoted; labels with such names are quoted, too.
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
  /** Of the name as each line has it (bytes); with the brace and the quotation marks of a quoted one. */
  readonly nameLength: number;
  /** For each line, where the next one begins. */
  readonly lineEnds: readonly number[];
  /** Where all lines have labels of these names in this order, or only the first of them. */
  readonly labelNames?: readonly string[];
}
