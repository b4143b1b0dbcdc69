import { endOfName, findLabels, type LabelSpans, lineFeed, space } from '../text-format/labels.js';
import { SeriesDigests, SeriesDigest } from '../relabelling/series-digests.js';
import type { MergedPiece } from './merged-families.js';

/** Which series of one metric have been seen of whom, by digests of 64 bits. */
export class UnseenSeries {
  readonly #digest = new SeriesDigest();
  readonly #digests = new SeriesDigests();
  readonly #points = new SeriesDigests();
  readonly #spans: LabelSpans = [];
  #pieces = 0;
  #lines = 0;
  #hasRenamedLabels = false;

  /** What follows is of another piece. */
  begin({ hasRenamedLabels }: MergedPiece): void {
    this.#pieces += 1;
    this.#hasRenamedLabels = hasRenamedLabels;
  }

  /**
   * Whether the sample line that begins at `start` is of a series that no piece before has: what one member says of a
   * series more than once is its own affair, such as points of several times. Where labels got other names, two lines
   * of one member that have no time to tell them apart are of two series that became the same.
   */
  isNew(bytes: Buffer, start: number, end: number): boolean {
    const digest = this.#digest;
    const nameEnd = endOfName(bytes, start);
    digest.begin(bytes, start, nameEnd);
    const spans = this.#spans;
    const labelsEnd = findLabels(bytes, nameEnd, spans);
    for (let at = 0; at < spans.length; at += 4) {
      const valueEnd = spans[at + 3] ?? 0;
      // A label with an empty value is none.
      if (valueEnd > (spans[at + 2] ?? 0)) digest.addLabel(bytes, spans[at] ?? 0, valueEnd);
    }
    if (this.#digests.claim(digest, this.#pieces) !== this.#pieces) return false;
    if (!this.#hasRenamedLabels) return true;
    const timestamp = bytes.lastIndexOf(space, end - 1);
    if (timestamp > labelsEnd) digest.addLabel(bytes, timestamp, end);
    this.#lines += 1;
    return this.#points.claim(digest, this.#lines) === this.#lines;
  }
}

/** Where the next line begins: no value of a label holds a line feed. */
export function endOfLine(bytes: Buffer, start: number): number {
  return bytes.indexOf(lineFeed, start) + 1;
}
