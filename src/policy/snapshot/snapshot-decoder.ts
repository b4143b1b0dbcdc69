import { createHash } from 'node:crypto';
import type { PolicyObject } from '../objects.js';
import { SnapshotError } from './snapshot-error.js';
import { parseLine } from './snapshot-fields.js';
import {
  decodeHeader,
  maxHeaderBytes,
  withoutDigest,
  type LayerHeader,
  type SnapshotHeader,
  type SnapshotLayer,
} from './snapshot-header.js';
import { isPolicyObject } from './snapshot-object.js';

const lineEnd = 0x0a;

/** A layer as far as its lines have come. */
interface ArrivingLayer extends Omit<LayerHeader, 'objects'> {
  readonly awaited: number;
  readonly objects: PolicyObject[];
  readonly names: Readonly<Record<PolicyObject['kind'], Set<string>>>;
}

/**
 * Reads a snapshot from pieces, each as it comes in. Gives nothing out before `end` has found all of it whole.
 * Throws SnapshotError. `now` is in ms since the epoch.
 */
export class SnapshotDecoder {
  readonly #file: string;
  readonly #now: number;
  readonly #hash = createHash('sha256');
  #header: SnapshotHeader | undefined;
  #layers: readonly ArrivingLayer[] = [];
  /** The layer that the next object belongs to is this one or a later one. */
  #layerAt = 0;
  /** Of a line whose end has not come yet. */
  #pieces: Buffer[] = [];
  #lines = 0;

  constructor(file: string, now: number) {
    this.#file = file;
    this.#now = now;
  }

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
    this.#header = decodeHeader(this.#file, line, this.#now);
    this.#layers = this.#header.layers.map(({ objects: awaited, ...header }) => {
      return {
        ...header,
        awaited,
        objects: [],
        names: { ClusterRole: new Set(), ClusterRoleBinding: new Set() },
      };
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
    const object = parseLine(line);
    if (!isPolicyObject(object)) {
      throw this.#error(`line ${this.#lines} is no ClusterRole and no ClusterRoleBinding`);
    }
    const names = layer.names[object.kind];
    if (names.has(object.name))
      throw this.#error(`line ${this.#lines} is an object that stands in it already`);
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
    return new SnapshotError(this.#file, fault);
  }
}
