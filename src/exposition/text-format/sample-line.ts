import { lineFeed, numberSign, openingBrace, skipBlanks, space, tab } from './characters.js';
import type { ExpositionFormat } from './exposition-format.js';
import { readLabels } from './labels.js';
import { endOfInteger, endOfNumber } from './numbers.js';
import { LineFault } from './line-fault.js';

/**
 * Reads what stands behind the name of a sample (labels, value, timestamp and, in OpenMetrics, an exemplar), and
 * returns where the next line begins.
 *
 * @throws LineFault
 */
export function readSample(bytes: Uint8Array, nameEnd: number, format: ExpositionFormat): number {
  let at = skipBlanks(bytes, nameEnd);
  const hasLabels = bytes[at] === openingBrace;
  if (hasLabels) at = skipBlanks(bytes, readLabels(bytes, at + 1));
  else if (at === nameEnd && bytes[at] !== lineFeed) {
    throw new LineFault('a metric name has a character that no name can have');
  }
  at = readValueAndTimestamp(bytes, at, format);
  if (format === 'openmetrics' && bytes[at] === numberSign) at = readExemplar(bytes, at);
  if (bytes[at] !== lineFeed) throw new LineFault('more text behind the sample');
  return at + 1;
}

function readValueAndTimestamp(bytes: Uint8Array, start: number, format: ExpositionFormat): number {
  if (bytes[start] === lineFeed) throw new LineFault('the sample has no value');
  const valueEnd = endOfNumber(bytes, start);
  if (!isEnd(bytes, valueEnd)) throw new LineFault('the value is not a number');
  const at = skipBlanks(bytes, valueEnd);
  if (bytes[at] === lineFeed || (bytes[at] === numberSign && format === 'openmetrics')) return at;
  const timestampEnd = format === 'text' ? endOfInteger(bytes, at) : endOfNumber(bytes, at);
  if (!isEnd(bytes, timestampEnd)) throw new LineFault('the timestamp is not a number');
  return skipBlanks(bytes, timestampEnd);
}

function readExemplar(bytes: Uint8Array, start: number): number {
  const labels = skipBlanks(bytes, start + 1);
  if (bytes[labels] !== openingBrace) throw new LineFault('the exemplar has no labels');
  const at = skipBlanks(bytes, readLabels(bytes, labels + 1));
  const valueEnd = endOfNumber(bytes, at);
  if (!isEnd(bytes, valueEnd)) throw new LineFault('the value of the exemplar is not a number');
  const timestamp = skipBlanks(bytes, valueEnd);
  if (bytes[timestamp] === lineFeed) return timestamp;
  const timestampEnd = endOfNumber(bytes, timestamp);
  if (!isEnd(bytes, timestampEnd)) {
    throw new LineFault('the timestamp of the exemplar is not a number');
  }
  return skipBlanks(bytes, timestampEnd);
}

function isEnd(bytes: Uint8Array, at: number): boolean {
  const byte = bytes[at];
  return byte === lineFeed || byte === space || byte === tab;
}
