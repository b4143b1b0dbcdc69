import { escapedText } from '../../text-format/quoted-text.js';
import type { Exemplar, Labels } from './prom-client-metrics.js';

/** `name="value"`, joined by commas, in the order of the object; without the names that stand in `except`. */
export function labelPairs(labels: Labels, except?: Labels): string {
  let pairs = '';
  for (const name of Object.keys(labels)) {
    if (except !== undefined && Object.hasOwn(except, name)) continue;
    if (pairs !== '') pairs += ',';
    pairs += `${name}="${escapedText(String(labels[name]))}"`;
  }
  return pairs;
}

/** Two lists of label pairs as one. */
export function joinPairs(first: string, second: string): string {
  if (first === '' || second === '') return first + second;
  return `${first},${second}`;
}

/** Label pairs as they stand behind a name. */
export function inBraces(pairs: string): string {
  return pairs === '' ? '' : `{${pairs}}`;
}

/** A sample's value as prom-client writes it, its `Nan` included, which every parser takes. */
export function valueText(value: unknown): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'Nan';
  return Number(value) < 0 ? '-Inf' : '+Inf';
}

/** What OpenMetrics puts behind a value. */
export function exemplarText({ labelSet, value, timestamp }: Exemplar): string {
  const seconds = Number.isFinite(timestamp) ? ` ${String(timestamp)}` : '';
  return ` # {${labelPairs(labelSet)}} ${valueText(value)}${seconds}`;
}
