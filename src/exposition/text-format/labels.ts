export const lineFeed = 0x0a;
export const space = 0x20;
export const quotationMark = 0x22;
export const numberSign = 0x23;
export const comma = 0x2c;
export const equalsSign = 0x3d;
export const backslash = 0x5c;
export const openingBrace = 0x7b;
export const closingBrace = 0x7d;

/**
 * The positions of a line's labels: of each the start and the end of its name, with the quotation marks of a quoted
 * one, then of its value, escaped and without quotation marks. One array is used for line after line.
 */
export type LabelSpans = number[];

/** Finds the labels behind the name of a line of a SampleBatch; returns where they end: at the blank. */
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

/** Where the name ends with which a line of a SampleBatch begins. */
export function endOfName(bytes: Uint8Array, start: number): number {
  let at = start;
  // The brace before a quoted name, and its quotation marks, are part of it.
  if (bytes[at + 1] === quotationMark) return endOfQuoted(bytes, at + 2) + 1;
  while (bytes[at] !== space && bytes[at] !== openingBrace) at += 1;
  return at;
}

function endOfQuoted(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] !== quotationMark) at += bytes[at] === backslash ? 2 : 1;
  return at;
}

/** Whether these bytes stand between two positions. */
export function isAt(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let at = 0; at < expected.length; at += 1) if (bytes[start + at] !== expected[at]) return false;
  return true;
}
