import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { SnapshotDecoder } from './snapshot-decoder.js';
import { SnapshotError, snapshotError } from './snapshot-error.js';
import { digestOffset, encodeHeader, maxSnapshotBytes, type SnapshotLayer } from './snapshot-header.js';
import { encodeObject } from './snapshot-object.js';
import { openSnapshot } from './snapshot-place.js';
import { replaceFile } from './snapshot-replacement.js';

export { SnapshotError } from './snapshot-error.js';
export type { SnapshotLayer } from './snapshot-header.js';

/**
 * So much is read or written at once. Coding it takes about a millisecond, and the next piece waits for the
 * disk, so that others have the event loop in between.
 */
const pieceBytes = 64 * 1024;

/**
 * The policy that a file written by `writeSnapshot` holds; undefined where there is no file. All of it is
 * checked before any of it is given out. The checksum finds what broke by accident; against purpose stands that
 * the file has to belong to this process' user or to root, and be closed to everybody else.
 *
 * @throws SnapshotError
 */
export async function readSnapshot(
  file: string,
  {
    now = Date.now,
  }: {
    /** Clock in ms, for tests. */
    readonly now?: () => number;
  } = {},
): Promise<readonly SnapshotLayer[] | undefined> {
  const handle = await openSnapshot(file);
  if (handle === undefined) return undefined;
  try {
    const decoder = new SnapshotDecoder(file, now());
    let bytes = 0;
    for await (const piece of piecesOf(handle)) {
      bytes += piece.length;
      // It may have grown since it was opened.
      if (bytes > maxSnapshotBytes) throw new SnapshotError(file, 'is larger than 256 MiB');
      decoder.add(piece);
    }
    return decoder.end();
  } catch (error) {
    throw snapshotError(file, 'read', error);
  } finally {
    await handle.close();
  }
}

/**
 * Keeps a policy in a file of mode 0600: a line that says what is in it, then a line for each object. The file
 * before stays until the new one is whole and on disk.
 *
 * @throws SnapshotError
 */
export async function writeSnapshot(
  file: string,
  layers: readonly SnapshotLayer[],
  {
    maxBytes = maxSnapshotBytes,
  }: {
    /** Default: as much as is read again, 256 MiB. */
    readonly maxBytes?: number;
  } = {},
): Promise<void> {
  try {
    const header = encodeHeader(file, layers);
    await replaceFile(file, async (handle) => {
      const hash = createHash('sha256');
      let bytes = 0;
      for (const piece of encode(header, layers)) {
        bytes += piece.length;
        if (bytes > maxBytes) throw new SnapshotError(file, `would be larger than ${maxBytes} bytes`);
        hash.update(piece);
        await handle.writeFile(piece);
      }
      await handle.write(hash.digest('hex'), digestOffset(header), 'latin1');
    });
  } catch (error) {
    throw snapshotError(file, 'written', error);
  }
}

async function* piecesOf(handle: FileHandle): AsyncGenerator<Buffer, void> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function* encode(header: Buffer, layers: readonly SnapshotLayer[]): Generator<Buffer, void> {
  yield header;
  let text = '';
  for (const { objects } of layers) {
    for (const object of objects) {
      text += `${encodeObject(object)}\n`;
      if (text.length < pieceBytes) continue;
      yield Buffer.from(text);
      text = '';
    }
  }
  yield Buffer.from(text);
}
