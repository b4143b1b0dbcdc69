/** Cuts bytes into chunks of these lengths, and one of what is left; a length of 0 makes an empty chunk. */
export function inChunks(bytes: Buffer, lengths: readonly number[]): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length));
    at = Math.min(at + length, bytes.length);
  }
  return [...chunks, bytes.subarray(at)];
}
