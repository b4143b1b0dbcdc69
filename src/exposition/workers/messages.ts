import { isAggregator, type ReportedFamily } from './report.js';

/** Marks every message, so that others' messages on the same channel are never mistaken for one. */
const protocol = 'kcp-metrics-filter/metrics/1';

/** What the process that is scraped says to a worker. */
export type Demand =
  | { readonly kind: 'discover' }
  /** Asks for all metrics; answers to earlier questions are no longer wanted. */
  | { readonly kind: 'ask'; readonly request: number; readonly timeoutMs: number }
  /** One more part has been read. */
  | { readonly kind: 'taken'; readonly request: number };

/** What a worker says; its families are `unknown` where they have not been looked at. */
export type Answer<Family = ReportedFamily> =
  /** Reports from now on, or already; another reporter than before knows nothing of what was asked. */
  | { readonly kind: 'here'; readonly reporter: string }
  | {
      readonly kind: 'part';
      readonly request: number;
      readonly isLast: boolean;
      readonly families: readonly Family[];
    }
  | { readonly kind: 'failed'; readonly request: number };

export type UnreadPart = Extract<Answer<unknown>, { kind: 'part' }>;

/** Parts that may be on their way at once. */
export const windowParts = 2;

/** Bounds of a worker's messages, far above what this package sends. */
const maxFamilies = 50_000;
const maxSamples = 5000;
const maxTextLength = 1_048_576;
const maxGroupLength = 64;

const types: ReadonlySet<unknown> = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
/** Numbers that JSON, which `child_process` speaks by default, cannot carry: they are sent as texts. */
const notInJson: ReadonlySet<unknown> = new Set(['NaN', 'Infinity', '-Infinity']);

export function isGroup(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxGroupLength;
}

/** The message that carries a demand or an answer of a group; JSON may carry it, too. */
export function sealed(group: string, body: Demand | Answer): object {
  if (body.kind !== 'part') return { protocol, group, ...body };
  const packed = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
  const families = body.families.map((family) => ({ ...family, values: family.values.map(packed) }));
  return { protocol, group, ...body, families };
}

/** What a message demands of this group; undefined for anything else that comes over the channel. */
export function demandIn(message: unknown, group: string): Demand | undefined {
  if (!isOurs(message, group)) return undefined;
  const { kind, request, timeoutMs } = message;
  if (kind === 'discover') return { kind };
  if (!isNumber(request)) return undefined;
  if (kind === 'taken') return { kind, request };
  return kind === 'ask' && isNumber(timeoutMs) && timeoutMs >= 0 ? { kind, request, timeoutMs } : undefined;
}

/** What a message answers to this group; undefined for anything else that comes over the channel. */
export function answerIn(message: unknown, group: string): Answer<unknown> | undefined {
  if (!isOurs(message, group)) return undefined;
  const { kind, request, reporter, isLast, families } = message;
  if (kind === 'here') return isGroup(reporter) ? { kind, reporter } : undefined;
  if (!isNumber(request)) return undefined;
  if (kind === 'failed') return { kind, request };
  if (kind !== 'part' || typeof isLast !== 'boolean' || !Array.isArray(families)) return undefined;
  return { kind, request, isLast, families };
}

/** The families of a part; undefined where anything in it is not as it should be. */
export function familiesIn({ families }: UnreadPart): readonly ReportedFamily[] | undefined {
  if (families.length > maxFamilies) return undefined;
  const read = families.map(familyIn);
  return read.every((family) => family !== undefined) ? read : undefined;
}

function familyIn(family: unknown): ReportedFamily | undefined {
  if (!isRecord(family)) return undefined;
  const { name, help, type, aggregator, samples, values } = family;
  if (!isText(name) || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) || !isText(help)) return undefined;
  if (!types.has(type) || typeof type !== 'string' || !isAggregator(aggregator)) return undefined;
  if (!Array.isArray(samples) || samples.length > maxSamples || !samples.every(isSample)) return undefined;
  if (!Array.isArray(values) || values.length !== samples.length) return undefined;
  const numbers = values.map(unpacked);
  if (!numbers.every((value) => value !== undefined)) return undefined;
  return { name, help, type, aggregator, samples, values: numbers };
}

function unpacked(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return notInJson.has(value) ? Number(value) : undefined;
}

function isOurs(message: unknown, group: string): message is Readonly<Record<string, unknown>> {
  return isRecord(message) && message['protocol'] === protocol && message['group'] === group;
}

/** Exactly one line of the exposition. */
function isSample(value: unknown): value is string {
  return isText(value) && /^[a-zA-Z_:]/.test(value) && !value.includes('\n');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxTextLength;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
