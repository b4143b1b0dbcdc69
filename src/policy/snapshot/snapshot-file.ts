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
  type SnapshotHeader,
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

/** A layer as far as it has been read. */
interface ArrivingLayer extends Omit<LayerHeader, 'objects'> {
  readonly awaited: number;
  readonly objects: PolicyObject[];
  readonly names: Readonly<Record<PolicyObject['kind'], Set<string>>>;
}

/** Reads a snapshot from pieces, each as it comes in, and returns it once all of it proved good. */
class SnapshotDecoder {
  readonly #hash = createHash('sha256');
  #header: SnapshotHeader | undefined;
  #layers: readonly ArrivingLayer[] = [];
  /** The layer that the next object belongs to is this one or a later one. */
  #layerAt = 0;
  /** Of a line whose end has not come yet. */
  #pieces: Buffer[] = [];
  #lines = 0;

  constructor(
    readonly file: string,
    /** In ms since the epoch. */
    readonly now: number,
  ) {}

  /** The bytes must stay as they are from then on. */
  add(bytes: Buffer): void {
    let start = this.#header === undefined ? this.#addToHeader(bytes) : 0;
    this.#hash.update(bytes.subarray(start));
    for (let end = bytes.indexOf(lineEnd, start); end !== -1; end = bytes.indexOf(lineEnd, start)) {
      this.#addObject(this.#takeLine(bytes.subarray(start, end)));
      start = end + 1;
    }
    if (start < bytes.length) this.#pieces.push(bytes.subarray(start));
  }

  end(): readonly SnapshotLayer[] {
    if (this.#header === undefined) throw this.#error('is no policy snapshot, or its first line is damaged');
    if (this.#pieces.length > 0 || this.#arriving() !== undefined) throw this.#error('is truncated');
    if (this.#hash.digest('hex') !== this.#header.sha256) {
      throw this.#error('is damaged: its checksum is another');
    }
    return this.#layers.map(({ layer, origin, syncedAt, objects }) => ({ layer, origin, syncedAt, objects }));
  }

  /** How many of the bytes belong to the first line. */
  #addToHeader(bytes: Buffer): number {
    const end = bytes.indexOf(lineEnd) + 1;
    const length = this.#pieces.reduce((sum, piece) => sum + piece.length, end === 0 ? bytes.length : end);
    if (length > maxHeaderBytes) throw this.#error('is no policy snapshot, or its first line is damaged');
    if (end === 0) {
      this.#pieces.push(bytes);
      return bytes.length;
    }
    const line = this.#takeLine(bytes.subarray(0, end));
    this.#hash.update(withoutDigest(line));
    this.#header = decodeHeader(this.file, line, this.now);
    this.#layers = this.#header.layers.map(({ objects: awaited, ...header }) => {
      const names = { ClusterRole: new Set<string>(), ClusterRoleBinding: new Set<string>() };
      return { ...header, awaited, objects: [], names };
    });
    return end;
  }

  #takeLine(last: Buffer): Buffer {
    this.#lines += 1;
    if (this.#pieces.length === 0) return last;
    return Buffer.concat([...this.#pieces.splice(0), last]);
  }

  #addObject(line: Buffer): void {
    const layer = this.#arriving();
    if (layer === undefined) throw this.#error('goes on behind its last object');
    const object = decodeObject(line);
    if (object === undefined) {
      throw this.#error(`line ${this.#lines} is no ClusterRole and no ClusterRoleBinding`);
    }
    const names = layer.names[object.kind];
    if (names.has(object.name)) {
      throw this.#error(`line ${this.#lines} is an object that stands in it already`);
    }
    names.add(object.name);
    layer.objects.push(object);
  }

  /** The first layer that waits for objects. */
  #arriving(): ArrivingLayer | undefined {
    for (; this.#layerAt < this.#layers.length; this.#layerAt += 1) {
      const layer = this.#layers[this.#layerAt];
      if (layer !== undefined && layer.objects.length < layer.awaited) return layer;
    }
    return undefined;
  }

  #error(fault: string): SnapshotError {
    return new SnapshotError(this.file, fault);
  }
}
