import type { PolicyObject } from '../objects.js';
import { SnapshotError } from './snapshot-error.js';
import { isCount, isListOf, isOneOf, isRecordOf, isString, isTime, parseLine } from './snapshot-fields.js';

/** What was known of one layer of the policy. */
export interface SnapshotLayer {
  readonly layer: string;
  /** Where it came from, as its source tells itself from others; holds no credentials. */
  readonly origin: string;
  /** When the source was last known to be in step (ms since the epoch). */
  readonly syncedAt: number;
  readonly objects: readonly PolicyObject[];
}

/** What the first line says of a layer; `objects` is how many of the lines behind it are the layer's. */
export interface LayerHeader extends Omit<SnapshotLayer, 'objects'> {
  readonly objects: number;
}

export interface SnapshotHeader {
  readonly layers: readonly LayerHeader[];
  /** SHA-256 of the whole file (hex), taken while zeros stood in the place of these digits. */
  readonly sha256: string;
}

export const maxSnapshotBytes = 256 * 1024 * 1024;
export const maxHeaderBytes = 1024 * 1024;
/** How far the clock of whoever wrote a snapshot may have been ahead of this one (ms). */
const maxClockLeadMs = 60_000;

const apiVersion = 'kcp-metrics-filter/v1alpha1';
const kind = 'PolicySnapshot';
/** How the snapshots of all versions begin. */
export const snapshotBeginning = Buffer.from('{"apiVersion":"kcp-metrics-filter/');

const noDigest = '0'.repeat(64);
const digestAtEnd = /"sha256":"([0-9a-f]{64})"\}\n$/;
const behindDigest = '"}\n'.length;

/** The first line, its end included, with zeros for the digest. */
export function encodeHeader(file: string, snapshot: readonly SnapshotLayer[]): Buffer {
  const layers = snapshot.map(({ layer, origin, syncedAt, objects }): LayerHeader => {
    return { layer, origin, syncedAt, objects: objects.length };
  });
  const line = Buffer.from(`${JSON.stringify({ apiVersion, kind, layers, sha256: noDigest })}\n`);
  if (line.length > maxHeaderBytes)
    throw new SnapshotError(file, 'its first line would be larger than 1 MiB');
  return line;
}

/** Where in the first line the digest stands. */
export function digestOffset(line: Buffer): number {
  return line.length - behindDigest - noDigest.length;
}

/** The first line as it was when the digest was taken. */
export function withoutDigest(line: Buffer): Buffer {
  const copy = Buffer.from(line);
  copy.write(noDigest, digestOffset(line), 'latin1');
  return copy;
}

/** Reads the first line, its end included; `now` in ms since the epoch. Throws SnapshotError. */
export function decodeHeader(file: string, line: Buffer, now: number): SnapshotHeader {
  const header = parseLine(line);
  if (!isSnapshot(header))
    throw new SnapshotError(file, 'is no policy snapshot, or its first line is damaged');
  if (header.apiVersion !== apiVersion) {
    throw new SnapshotError(file, 'is a policy snapshot of another version');
  }
  if (!digestAtEnd.test(line.toString()) || !isHeader(header))
    throw new SnapshotError(file, 'its first line is damaged');
  if (new Set(header.layers.map(({ layer }) => layer)).size < header.layers.length) {
    throw new SnapshotError(file, 'holds a policy layer twice');
  }
  if (header.layers.some(({ syncedAt }) => syncedAt > now + maxClockLeadMs)) {
    throw new SnapshotError(file, 'is from the future: a clock is wrong, or was');
  }
  return header;
}

function isSnapshot(value: unknown): value is { readonly apiVersion: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  return 'kind' in value && value.kind === kind && 'apiVersion' in value;
}

function isHeader(value: unknown): value is SnapshotHeader {
  return hasHeaderFields(value);
}

const hasHeaderFields = isRecordOf({
  apiVersion: isString,
  kind: isOneOf(kind),
  layers: isListOf(isRecordOf({ layer: isString, origin: isString, syncedAt: isTime, objects: isCount })),
  sha256: isString,
});
