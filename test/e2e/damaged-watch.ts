/** `truncate`: ends in the middle of the next event. `garbage`: a line that is no JSON before each event. */
export type WatchFault = 'truncate' | 'garbage';

/** The lines of a watch, damaged as the fault of the moment has it. To be piped into an answer, which ends with it. */
export async function* damagedWatch(
  chunks: AsyncIterable<Buffer>,
  fault: () => WatchFault | undefined,
): AsyncGenerator<Buffer, void, void> {
  const newline = 0x0a;
  let unfinished = Buffer.alloc(0);
  for await (const chunk of chunks) {
    unfinished = Buffer.concat([unfinished, chunk]);
    for (let end = unfinished.indexOf(newline); end >= 0; end = unfinished.indexOf(newline)) {
      const line = unfinished.subarray(0, end + 1);
      unfinished = unfinished.subarray(end + 1);
      const found = fault();
      if (found === 'truncate') {
        yield line.subarray(0, end / 2);
        return;
      }
      if (found === 'garbage') yield Buffer.from('{"type":"ADDED","object":\n');
      yield line;
    }
  }
}
