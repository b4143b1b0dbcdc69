export const lineFeed = 0x0a;
export const space = 0x20;
export const tab = 0x09;
export const quotationMark = 0x22;
export const numberSign = 0x23;
export const comma = 0x2c;
export const equalsSign = 0x3d;
export const backslash = 0x5c;
export const openingBrace = 0x7b;
export const closingBrace = 0x7d;
export const letterN = 0x6e;

/** By byte: 1 where it may stand there, else 0. */
export const startsMetricName = table(/[a-zA-Z_:]/);
export const continuesMetricName = table(/[a-zA-Z0-9_:]/);
export const startsLabelName = table(/[a-zA-Z_]/);
export const continuesLabelName = table(/[a-zA-Z0-9_]/);
export const isDigit = table(/[0-9]/);
export const isPlainInValue = table(/[^"\\\n]/);

function table(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (characters.test(String.fromCharCode(byte)) ? 1 : 0));
}

/** Where the blanks end that begin at `at`, if any do. */
export function skipBlanks(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] === space || bytes[end] === tab) end += 1;
  return end;
}
