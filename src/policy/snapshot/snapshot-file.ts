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
  let decoder: ObjectDecoder | undefined;
  let digest = '';
  let bytes = 0;
  for await (const piece of piecesOf(handle)) {
    bytes += piece.length;
    // It may have grown since it was opened.
    if (bytes > maxSnapshotBytes) refuse('is larger than 256 MiB');
    let start = 0;
    if (decoder === undefined) {
      start = piece.indexOf(lineEnd) + 1;
      const headerBytes = start === 0 ? bytes : bytes - piece.length + start;
      if (headerBytes > maxHeaderBytes) break;
      if (start > 0) {
        const line = takeLine(piece.subarray(0, start));
        const header = decodeHeader(file, line, now);
        digest = header.sha256;
        decoder = new ObjectDecoder(header.layers, refuse);
        hash.update(withoutDigest(line));
      }
    }
    if (decoder !== undefined) hash.update(piece.subarray(start));
    for (let end = piece.indexOf(lineEnd, start); end !== -1; end = piece.indexOf(lineEnd, start)) {
      decoder?.add(takeLine(piece.subarray(start, end)));
      start = end + 1;
    }
    if (start < piece.length) begun.push(piece.subarray(start));
  }
  if (decoder === undefined) return refuse('is no policy snapshot, or its first line is damaged');
  if (begun.length > 0 || decoder.isWaiting) return refuse('is truncated');
  return hash.digest('hex') === digest ? decoder.layers : refuse('is damaged: its checksum is another');
}

/** Reads the lines of objects, and puts each object to its layer. */
class ObjectDecoder {
  readonly layers: readonly (SnapshotLayer & { readonly objects: PolicyObject[] })[];
  readonly #awaited: number[];
  /** Of the objects of the layer that is being read. */
  #names = new Set<string>();
  #layerAt = 0;
  #line = 1;

  constructor(
    headers: readonly LayerHeader[],
    readonly refuse: (fault: string) => never,
  ) {
    this.layers = headers.map((header) => ({ ...header, objects: [] }));
    this.#awaited = headers.map(({ objects }) => objects);
  }

  /** Whether a layer still expects objects; skips those that do not. */
  get isWaiting(): boolean {
    while (this.layers[this.#layerAt]?.objects.length === this.#awaited[this.#layerAt]) {
      if (this.#layerAt === this.layers.length) return false;
      this.#layerAt += 1;
      this.#names = new Set();
    }
    return true;
  }

  add(line: Buffer): void {
    this.#line += 1;
    if (!this.isWaiting) this.refuse('goes on behind its last object');
    const object = decodeObject(line);
    if (object === undefined) {
      return this.refuse(`line ${this.#line} is no ClusterRole and no ClusterRoleBinding`);
    }
    const key = `${object.kind} ${object.cluster ?? ''} ${object.name}`;
    if (this.#names.has(key)) this.refuse(`line ${this.#line} is an object that stands in it already`);
    this.#names.add(key);
    this.layers[this.#layerAt]?.objects.push(object);
  }
}
