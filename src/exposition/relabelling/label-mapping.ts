import { readPlainObject } from '../../documents/plain-object.js';
import { sourceOf, utf8TextOf, type Source } from '../../documents/source.js';
import type { FileContent } from '../../files/followed-files.js';
import { runInSlices } from '../../time-slice.js';
import { LabelMappingError, NotSyncedError, RelabellingOptionError } from '../exposition-errors.js';
import { quotedName } from '../text-format/metric-name.js';
import { escapedText } from '../text-format/quoted-text.js';
import { aMap, anObject, checkArgument, listOf } from '../../option-checks.js';

/** Where an option has a fault. @throws RelabellingOptionError */
export function requireNoFault(option: string, fault: string | undefined): void {
  if (fault !== undefined) throw new RelabellingOptionError(`${option}: ${fault}`);
}

/**
 * For each label that it names, new values for the label's values. A series is kept only where every one of these
 * labels has a value that is mapped: unmapped values are shown to no one.
 */
export class LabelMapping {
  readonly #tables: ReadonlyMap<string, LabelValueTable>;

  constructor(tables: ReadonlyMap<string, LabelValueTable>) {
    checkArgument('tables', tables, aMap('tables by label'));
    this.#tables = tables;
  }

  /** @throws RelabellingOptionError */
  static of(labels: Readonly<Record<string, Readonly<Record<string, string>>>>): LabelMapping {
    const tables = new Map<string, LabelValueTable>();
    for (const [label, values] of Object.entries(labels)) {
      requireNoFault('labelMapping', labelNameFault(label));
      const table = new LabelValueTable();
      for (const [from, to] of Object.entries(values)) requireNoFault('labelMapping', table.add(from, to));
      tables.set(label, table);
    }
    if (tables.size === 0) requireNoFault('labelMapping', 'names no label');
    return new LabelMapping(tables);
  }

  get labels(): readonly string[] {
    return [...this.#tables.keys()];
  }

  tableOf(label: string): LabelValueTable | undefined {
    return this.#tables.get(label);
  }

  /** Whether no two values of a label get the same new one, so that no two series become one. */
  get isOneToOne(): boolean {
    return [...this.#tables.values()].every((table) => table.isOneToOne);
  }
}

/**
 * New values for the values of one label. Both are as they stand in an exposition, since no line is decoded: escaped,
 * and their UTF-8 decoded as Latin-1.
 */
export class LabelValueTable {
  readonly #values = new Map<string, string>();
  readonly #newValues = new Set<string>();
  /** Of the longest new value (bytes). */
  maxLength = 0;

  get(value: string): string | undefined {
    return this.#values.get(value);
  }

  /** Whether no two values get the same new one. */
  get isOneToOne(): boolean {
    return this.#newValues.size === this.#values.size;
  }

  /** Adds a pair; returns what is wrong with it, if anything is. */
  add(from: string, to: string): string | undefined {
    // To Prometheus, an empty value means no label.
    if (from === '') return 'the empty value cannot be mapped';
    if (to === '') return `${quotedName(from)} is mapped to nothing`;
    const [key, value] = [asExposed(from), asExposed(to)];
    if (this.#values.has(key)) return `${quotedName(from)} is mapped twice`;
    this.#values.set(key, value);
    this.#newValues.add(value);
    this.maxLength = Math.max(this.maxLength, value.length);
    return undefined;
  }
}

function asExposed(value: string): string {
  return Buffer.from(escapedText(value)).toString('latin1');
}

/** What pods are called. Names have no other characters than Kubernetes' names of pods and namespaces. */
export interface PodNames {
  /** The names of a pod, each as it stands in an exposition; undefined where it must not be shown. */
  find(namespace: string, name: string): { readonly namespace: string; readonly name: string } | undefined;
  /** Why no name may be used, or undefined if they may. */
  unavailable(): string | undefined;
}

/** Before names are looked up, and after each wait: meanwhile they may be gone. @throws NotSyncedError */
export function requireNames(names: Pick<PodNames, 'unavailable'> | undefined): void {
  const fault = names?.unavailable();
  if (fault !== undefined) throw new NotSyncedError(fault);
}

/**
 * Of a pod that is described, and of the one that was scraped for it, where Prometheus has renamed the former's labels
 * because it had labels of the same names for its target.
 */
export const podLabels = {
  namespace: 'namespace',
  pod: 'pod',
  exportedNamespace: 'exported_namespace',
  exportedPod: 'exported_pod',
} as const;

export type PodLabel = keyof typeof podLabels;

/** Of a namespace and of a pod (bytes). */
export const maxPodNameLength = 253;

/** Why a label cannot be dropped, renamed or mapped. */
export function labelNameFault(name: string): string | undefined {
  const label = JSON.stringify(name.slice(0, 64));
  if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,255}$/.test(name)) return `${label} is no label name`;
  if (name.startsWith('__')) return `${label} is reserved to Prometheus`;
  // Buckets and quantiles mean nothing without these.
  if (['le', 'quantile'].includes(name)) return `${label} belongs to histograms and summaries`;
  return undefined;
}

/** About 100,000 names. */
const maxFileBytes = 4 * 1024 * 1024;

/**
 * The mapping in a YAML or JSON file, read whole or not at all:
 *
 * ```yaml
 * labels:
 *   namespace:
 *     host-namespace-x-virtual-cluster: team-a
 * ```
 *
 * Every name is text, quoted or not. For `FollowedFiles`; it reads in slices, so that a large file does not block the
 * event loop.
 *
 * @throws LabelMappingError
 */
export async function readLabelMapping(contents: readonly FileContent[]): Promise<LabelMapping> {
  checkArgument('contents', contents, listOf('{ file, bytes }', anObject('a file', 'file', 'bytes')));
  const [content] = contents;
  if (content === undefined) throw new RangeError('one file is needed');
  const { file, bytes } = content;
  const source = sourceOf(file, LabelMappingError);
  if (bytes.byteLength > maxFileBytes) source.fail(1, `larger than ${maxFileBytes} bytes`);
  return new LabelMapping(await runInSlices(tablesIn(utf8TextOf(bytes, source), source)));
}

function* tablesIn(
  text: string,
  source: Source,
): Generator<undefined, ReadonlyMap<string, LabelValueTable>, undefined> {
  const tables = new Map<string, LabelValueTable>();
  let isEmpty = true;
  for (const labels of yield* readPlainObject(text, source)) {
    if (labels.key !== 'labels' || !isEmpty) labels.fail('only one entry, "labels", may stand here');
    isEmpty = false;
    for (const label of labels.entries('labels:')) {
      const fault = labelNameFault(label.key);
      if (fault !== undefined) label.fail(`labels: ${fault}`);
      if (tables.has(label.key)) label.fail(`labels: "${label.key}" stands twice`);
      const table = new LabelValueTable();
      tables.set(label.key, table);
      const where = `labels.${label.key}:`;
      for (const entry of label.entries(where)) {
        const wrong = table.add(entry.key, entry.text());
        if (wrong !== undefined) entry.fail(`${where} ${wrong}`);
        yield;
      }
    }
  }
  // A mapping without a label would leave nothing out.
  if (tables.size === 0) source.fail(1, 'labels: must name a label');
  return tables;
}
