import { continuesMetricName, lineFeed, openingBrace, skipBlanks } from '../text-format/characters.js';
import { readLabels, type LabelSpans } from '../text-format/labels.js';
import { SeriesDigest } from '../relabelling/series-digest.js';
import { SeriesDigests } from '../relabelling/series-digests.js';

/** Which series of one metric have been seen, by digests of 64 bits. */
export class UnseenSeries {
  readonly #digest = new SeriesDigest();
  readonly #digests = new SeriesDigests();
  readonly #spans: LabelSpans = [];
  #label: Buffer = Buffer.alloc(256);

  /** Whether the sample line that begins at `start`, well-formed, is of a series that has not been seen. */
  isNew(bytes: Buffer, start: number): boolean {
    const nameStart = skipBlanks(bytes, start);
    let nameEnd = nameStart;
    while (continuesMetricName[bytes[nameEnd] ?? 0] === 1) nameEnd += 1;
    this.#digest.begin(bytes, nameStart, nameEnd);
    const brace = skipBlanks(bytes, nameEnd);
    if (bytes[brace] === openingBrace) {
      readLabels(bytes, brace + 1, this.#spans);
      for (let at = 0; at < this.#spans.length; at += 4) this.#addLabel(bytes, at);
    }
    return this.#digests.add(this.#digest);
  }

  /** As `name="value`, whatever blanks stand in between. A label with an empty value is none. */
  #addLabel(bytes: Buffer, at: number): void {
    const spans = this.#spans;
    const [start, end] = [spans[at] ?? 0, spans[at + 1] ?? 0];
    const [valueStart, valueEnd] = [spans[at + 2] ?? 0, spans[at + 3] ?? 0];
    if (valueEnd === valueStart) return;
    if (valueStart - end === 2) {
      this.#digest.addLabel(bytes, start, valueEnd);
      return;
    }
    const length = end - start + 2 + valueEnd - valueStart;
    if (length > this.#label.length) this.#label = Buffer.alloc(2 * length);
    const label = this.#label;
    bytes.copy(label, 0, start, end);
    label.write('="', end - start, 'latin1');
    bytes.copy(label, end - start + 2, valueStart, valueEnd);
    this.#digest.addLabel(label, 0, length);
  }
}

/** Where the next line begins: no value of a label holds a line feed. */
export function endOfLine(bytes: Buffer, start: number): number {
  return bytes.indexOf(lineFeed, start) + 1;
}
