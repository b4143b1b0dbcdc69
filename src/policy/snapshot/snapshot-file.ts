import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { PolicyObject } from '../objects.js';
import { SnapshotError, snapshotError } from '../policy-errors.js';
import {
  decodeHeader,
  decodeObject,
  digestOffset,
  encodeHeader,
  encodeObject,
  maxHeaderBytes,
  maxSnapshotBytes,
  withoutDigest,
  type LayerHeader,
  type SnapshotLayer,
} from './snapshot-format.js';
import { openSnapshot, replaceFile } from './snapshot-place.js';

/**
 * How much is read or written at once: parsing or encoding it takes about a millisecond, and the event loop is free
 * while the next piece waits for the disk.
 */
const pieceBytes = 64 * 1024;

/**
 * The policy that a file written by `writeSnapshot` holds; undefined where there is no file. All of it is checked
 * before any of it is returned. The checksum finds accidental damage; against a forged file, the file must belong to
 * this process' user or to root, and be closed to all others.
 *
 * @param now clock in ms.
 * @throws SnapshotError
 */
export async function readSnapshot(
  file: string,
  now = Date.now,
): Promise<readonly SnapshotLayer[] | undefined> {
  const handle = await openSnapshot(file);
  if (handle === undefined) return undefined;
  try {
    return await decode(file, handle, now());
  } catch (error) {
    throw snapshotError(file, 'read', error);
  } finally {
    await handle.close();
  }
}

/**
 * Keeps a policy in a file of mode 0600: a line that says what is in it, then a line for each object. The old file
 * stays until the new one is whole and on disk.
 *
 * @throws SnapshotError
 */
export async function writeSnapshot(
  file: string,
  layers: readonly SnapshotLayer[],
  maxBytes = maxSnapshotBytes,
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

const lineEnd = 0x0a;

async function decode(file: string, handle: FileHandle, now: number): Promise<readonly SnapshotLayer[]> {
  const refuse = (fault: string): never => {
    throw new SnapshotError(file, fault);
  };
  const hash = createHash('sha256');
  /** Of a line whose end has not been read yet. */
  const begun: Buffer[] = [];
  const takeLine = (end: Buffer): Buffer =>
    begun.length === 0 ? end : Buffer.concat([...begun.splice(0), end]);
  let reading: ReturnType<typeof readLayers> | undefined;
  let state: IteratorResult<undefined, readonly SnapshotLayer[]> | undefined;
  let digest = '';
  let bytes = 0;
  for await (const piece of piecesOf(handle)) {
    bytes += piece.length;
    // It may have grown since it was opened.
    if (bytes > maxSnapshotBytes) refuse('is larger than 256 MiB');
    let start = 0;
    if (reading === undefined) {
      start = piece.indexOf(lineEnd) + 1;
      const headerBytes = start === 0 ? bytes : bytes - piece.length + start;
      if (headerBytes > maxHeaderBytes) break;
      if (start > 0) {
        const line = takeLine(piece.subarray(0, start));
        const header = decodeHeader(file, line, now);
        digest = header.sha256;
        reading = readLayers(header.layers, refuse);
        state = reading.next();
        hash.update(withoutDigest(line));
      }
    }
    if (reading !== undefined) hash.update(piece.subarray(start));
    for (let end = piece.indexOf(lineEnd, start); end !== -1; end = piece.indexOf(lineEnd, start)) {
      if (state?.done === true) refuse('goes on behind its last object');
      state = reading?.next(takeLine(piece.subarray(start, end)));
      start = end + 1;
    }
    if (start < piece.length) begun.push(piece.subarray(start));
  }
  if (state === undefined) return refuse('is no policy snapshot, or its first line is damaged');
  if (begun.length > 0 || state.done !== true) return refuse('is truncated');
  return hash.digest('hex') === digest ? state.value : refuse('is damaged: its checksum is another');
}

/** Takes the lines of the objects, one after the other, and puts each object to its layer. */
function* readLayers(
  headers: readonly LayerHeader[],
  refuse: (fault: string) => never,
): Generator<undefined, readonly SnapshotLayer[], Buffer> {
  const layers: SnapshotLayer[] = [];
  let number = 1;
  for (const header of headers) {
    const objects: PolicyObject[] = [];
    const names = new Set<string>();
    while (objects.length < header.objects) {
      const object = decodeObject(yield);
      number += 1;
      if (object === undefined) return refuse(`line ${number} is no ClusterRole and no ClusterRoleBinding`);
      const name = `${object.kind} ${object.cluster ?? ''} ${object.name}`;
      if (names.has(name)) refuse(`line ${number} is an object that stands in it already`);
      names.add(name);
      objects.push(object);
    }
    layers.push({ ...header, objects });
  }
  return layers;
}
