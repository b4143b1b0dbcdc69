import type { ExpositionFormat } from '../text-format/exposition-format.js';
import type { CollectedMetric } from './collected-metric.js';
import type { Labels } from './prom-client-metrics.js';
import type { Series } from './series.js';

/** A collected metric and what its registry adds to it. */
export interface FamilyMember {
  readonly metric: CollectedMetric;
  readonly defaultLabels: Labels;
}

/** All metrics of one name, help and type, which stand under one header. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly members: readonly FamilyMember[];
}

/** Metrics that are joined into families, in the order in which names appear. */
export class JoinedFamilies {
  readonly #families = new Map<string, Family & { readonly members: FamilyMember[] }>();

  /** @param onMismatch told of a metric whose name stands already for another help or type; it is left out. */
  constructor(
    readonly format: ExpositionFormat,
    readonly onMismatch: (name: string) => void,
  ) {}

  add(member: FamilyMember): void {
    const { help, type } = member.metric;
    const name = familyName(member.metric, this.format);
    const family = this.#families.get(name);
    if (family === undefined) this.#families.set(name, { name, help, type, members: [member] });
    else if (family.help === help && family.type === type) family.members.push(member);
    else this.onMismatch(member.metric.name);
  }

  get all(): readonly Family[] {
    return [...this.#families.values()];
  }
}

/** All members at once. */
export function joinFamilies(
  members: Iterable<FamilyMember>,
  format: ExpositionFormat,
  onMismatch: (name: string) => void,
): readonly Family[] {
  const joined = new JoinedFamilies(format, onMismatch);
  for (const member of members) joined.add(member);
  return joined.all;
}

/** The series of one member of the family. */
export function openMember(
  { name, type }: Family,
  { metric, defaultLabels }: FamilyMember,
  format: ExpositionFormat,
): Series {
  const isTotal = format === 'openmetrics' && type === 'counter';
  return metric.open({ sampleName: isTotal ? `${name}_total` : name, defaultLabels, format });
}

/** OpenMetrics names a counter without the suffix of its samples. */
function familyName({ name, type }: CollectedMetric, format: ExpositionFormat): string {
  return format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
}
