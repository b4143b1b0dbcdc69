import { isUtf8 } from 'node:buffer';
import type { PolicyObject } from '../objects.js';
import { SnapshotError } from '../policy-errors.js';

/** The saved content of one layer. */
export interface SnapshotLayer {
  readonly layer: string;
  /** The source it came from, without credentials. */
  readonly origin: string;
  /** When the source was last known to be in step (ms since the epoch). */
  readonly syncedAt: number;
  readonly objects: readonly PolicyObject[];
}

/** A layer in the first line; `objects` is the number of its lines. */
export interface LayerHeader extends Omit<SnapshotLayer, 'objects'> {
  readonly objects: number;
}

interface SnapshotHeader {
  readonly layers: readonly LayerHeader[];
  /** SHA-256 of the whole file (hex), taken with zeros in the place of these digits. */
  readonly sha256: string;
}

export const maxSnapshotBytes = 256 * 1024 * 1024;
export const maxHeaderBytes = 1024 * 1024;
/** How far the clock of the writer of a snapshot may have been ahead of this one (ms). */
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
  if (line.length <= maxHeaderBytes) return line;
  throw new SnapshotError(file, 'its first line would be larger than 1 MiB');
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
  const refuse = (fault: string): never => {
    throw new SnapshotError(file, fault);
  };
  const header = parseLine(line);
  if (!isAnySnapshot(header)) return refuse('is no policy snapshot, or its first line is damaged');
  if (header.apiVersion !== apiVersion) return refuse('is a policy snapshot of another version');
  if (!digestAtEnd.test(line.toString()) || !isHeader(header)) return refuse('its first line is damaged');
  const { layers } = header;
  if (new Set(layers.map(({ layer }) => layer)).size < layers.length) {
    return refuse('holds a policy layer twice');
  }
  const isFromFuture = layers.some(({ syncedAt }) => syncedAt > now + maxClockLeadMs);
  return isFromFuture ? refuse('is from the future: a clock is wrong, or was') : header;
}

/** An object as one line of JSON, without line end, with exactly the expected fields. */
export function encodeObject(object: PolicyObject): string {
  return JSON.stringify(object, encodedFields);
}

/** Of objects, rules and subjects, in the order in which they are written. */
const encodedFields =
  'kind name namespace role rules verbs nonResourceURLs subjects replicated cluster path requiredGroups isReady origin'.split(
    ' ',
  );

/** The object in a line; undefined if a required field is missing or one is unknown. */
export function decodeObject(line: Buffer): PolicyObject | undefined {
  const value = parseLine(line);
  const isObject = isClusterRole(value) || isClusterRoleBinding(value) || isLogicalCluster(value);
  return isObject ? (value as PolicyObject) : undefined;
}

/** The value of a line of JSON; undefined if it is not JSON. */
function parseLine(line: Buffer): unknown {
  if (!isUtf8(line)) return undefined;
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';
/** Milliseconds since the epoch. */
const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

function isOneOf(...words: readonly string[]): Check {
  return (value) => typeof value === 'string' && words.includes(value);
}

function isListOf(isItem: Check): Check {
  return (value) => Array.isArray(value) && value.every(isItem);
}

/** An object with every required field, any of the optional ones, and no other. */
function isRecordOf(required: Readonly<Record<string, Check>>, optional: typeof required = {}): Check {
  const checks = new Map(Object.entries({ ...required, ...optional }));
  const requiredNames = Object.keys(required);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    requiredNames.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(([name, field]) => checks.get(name)?.(field) ?? false);
}

/** Of this version or another. */
function isAnySnapshot(value: unknown): value is { readonly apiVersion: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  return 'kind' in value && value.kind === kind && 'apiVersion' in value;
}

const isHeader = isRecordOf({
  apiVersion: isString,
  kind: isOneOf(kind),
  layers: isListOf(isRecordOf({ layer: isString, origin: isString, syncedAt: isTime, objects: isCount })),
  sha256: isString,
}) as (value: unknown) => value is SnapshotHeader;
const isStringList = isListOf(isString);
const isRule = isRecordOf({ verbs: isStringList, nonResourceURLs: isStringList });
const isSubject = isRecordOf(
  { kind: isOneOf('User', 'Group', 'ServiceAccount'), name: isString },
  { namespace: isString },
);
const isClusterRole = isRecordOf(
  { kind: isOneOf('ClusterRole'), name: isString, rules: isListOf(isRule) },
  { cluster: isString, origin: isString },
);
const isClusterRoleBinding = isRecordOf(
  {
    kind: isOneOf('ClusterRoleBinding'),
    name: isString,
    role: isString,
    subjects: isListOf(isSubject),
    replicated: isBoolean,
  },
  { cluster: isString, origin: isString },
);
const isLogicalCluster = isRecordOf(
  { kind: isOneOf('LogicalCluster'), name: isString, cluster: isString, isReady: isBoolean },
  { path: isString, requiredGroups: isString, origin: isString },
);
