import { quotedName } from './metric-name.js';

/** An exposition that no scraper should be given; the message names line and metric, and quotes no value. */
export class TextFormatError extends Error {
  override readonly name = 'TextFormatError';
  readonly code = 'ERR_TEXT_FORMAT';

  constructor(
    /** Counted from 1. */
    readonly line: number,
    fault: string,
    metric?: string,
  ) {
    super(`line ${line}: ${fault}${metric === undefined ? '' : ` (${quotedName(metric)})`}`);
  }
}
