import { backslash, closingBrace, equalsSign, openingBrace, quotationMark, space } from './characters.js';

/**
 * Where the labels of a line stand: of each the start and the end of its name, with the quotation marks of a quoted
 * one, then of its value, without quotation marks and as escaped. One array is used for line after line, since most
 * lines are read and forgotten.
 */
export type LabelSpans = number[];

/** Finds the labels of a line of a SampleBatch, behind its name, and returns where they end: at the blank. */
export function findLabels(bytes: Uint8Array, nameEnd: number, spans: LabelSpans): number {
  spans.length = 0;
  let at = nameEnd;
  if (bytes[at] === space) return at;
  while (bytes[at] !== closingBrace) {
    // Behind a brace, or a comma.
    at += 1;
    if (bytes[at] === closingBrace) break;
    const nameStart = at;
    if (bytes[at] === quotationMark) at = endOfQuoted(bytes, at + 1) + 1;
    else while (bytes[at] !== equalsSign) at += 1;
    const valueStart = at + 2;
    const valueEnd = endOfQuoted(bytes, valueStart);
    spans.push(nameStart, at, valueStart, valueEnd);
    at = valueEnd + 1;
  }
  return at + 1;
}

/** Where a name ends that begins a line of a SampleBatch. */
export function endOfName(bytes: Uint8Array, start: number): number {
  let at = start;
  // The brace before a quoted name, and its quotation marks, are part of it.
  if (bytes[at + 1] === quotationMark) return endOfQuoted(bytes, at + 2) + 1;
  while (bytes[at] !== space && bytes[at] !== openingBrace) at += 1;
  return at;
}

/** Where the closing quotation mark stands. */
function endOfQuoted(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] !== quotationMark) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
