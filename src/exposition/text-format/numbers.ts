import { isDigit } from './characters.js';

const plus = 0x2b;
const minus = 0x2d;
const point = 0x2e;
const lowerE = 0x65;
const upperE = 0x45;

/** The rest of what Go's strconv.ParseFloat takes, which is what Prometheus reads values with. */
const otherFloat =
  /^[+-]?(?:nan|inf|infinity|0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?[0-9]+)(?![^\x20\t\n])/i;
const maxOtherLength = 64;

/** Where the number ends that begins at `at`; -1 where none does. */
export function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  if (bytes[at] === minus || bytes[at] === plus) at += 1;
  const integer = at;
  while (isDigit[bytes[at] ?? 0] === 1) at += 1;
  let digits = at - integer;
  if (bytes[at] === point) {
    const fraction = at + 1;
    at = fraction;
    while (isDigit[bytes[at] ?? 0] === 1) at += 1;
    digits += at - fraction;
  }
  if (digits === 0 || bytes[at] === 0x78 || bytes[at] === 0x58) return endOfOtherFloat(bytes, start);
  if (bytes[at] === lowerE || bytes[at] === upperE) {
    at += 1;
    if (bytes[at] === minus || bytes[at] === plus) at += 1;
    if (isDigit[bytes[at] ?? 0] === 0) return -1;
    while (isDigit[bytes[at] ?? 0] === 1) at += 1;
  }
  return at;
}

/** The same of a timestamp in milliseconds. */
export function endOfInteger(bytes: Uint8Array, start: number): number {
  const digits = bytes[start] === minus ? start + 1 : start;
  let at = digits;
  while (isDigit[bytes[at] ?? 0] === 1) at += 1;
  return at === digits ? -1 : at;
}

function endOfOtherFloat(bytes: Uint8Array, start: number): number {
  const text = String.fromCharCode(...bytes.subarray(start, start + maxOtherLength));
  const [float] = otherFloat.exec(text) ?? [];
  return float === undefined ? -1 : start + float.length;
}
