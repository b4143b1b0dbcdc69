import type { TimeSlice } from '../../../time-slice.js';
import type { NegotiatedFormat } from '../../delivery/negotiation.js';
import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import { isMetricType, sampleSuffixes } from '../../text-format/metric-type.js';
import type { CollectedMetric } from './collected-metric.js';
import type { Labels } from './prom-client-metrics.js';
import type { Series } from './series.js';

/** The text format knows no such samples of a metric. */
const ofOpenMetrics: readonly string[] = ['_total', '_created'];

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

/** A metric that cannot be served beside one that came before it. */
export interface NameConflict {
  readonly metric: string;
  readonly other: string;
}

/**
 * Metrics that are joined into families, in the order in which names appear. One whose name, or whose samples', stands
 * already for something else is left out: with another help or type, or as that of another metric's samples.
 */
export class JoinedFamilies {
  readonly #families = new Map<string, Family & { readonly members: FamilyMember[] }>();
  /** By the names of families and of all their samples: the metric. */
  readonly #owners = new Map<string, string>();
  readonly conflicts: NameConflict[] = [];

  constructor(readonly format: ExpositionFormat) {}

  add(member: FamilyMember): void {
    const { name: metric, help, type } = member.metric;
    const name = familyName(member.metric, this.format);
    const family = this.#families.get(name);
    if (family !== undefined && this.#owners.get(name) === metric) {
      if (family.help === help && family.type === type) family.members.push(member);
      else this.conflicts.push({ metric, other: metric });
      return;
    }
    const names = namesOf(name, type, this.format);
    const taken = names.find((one) => this.#owners.has(one));
    if (taken !== undefined) {
      this.conflicts.push({ metric, other: this.#owners.get(taken) ?? taken });
      return;
    }
    for (const one of names) this.#owners.set(one, metric);
    this.#families.set(name, { name, help, type, members: [member] });
  }

  get all(): readonly Family[] {
    return [...this.#families.values()];
  }
}

/** All members, in time slices. */
export async function joinFamilies(
  members: Iterable<FamilyMember>,
  format: ExpositionFormat,
  slice: TimeSlice,
): Promise<JoinedFamilies> {
  const joined = new JoinedFamilies(format);
  for (const member of members) {
    joined.add(member);
    if (slice.isOver) await slice.rest();
  }
  return joined;
}

/**
 * The same in the format that was negotiated, or in the text format where metrics contradict each other in OpenMetrics
 * alone, as a counter `jobs_total` does beside a gauge `jobs`.
 */
export async function joinNegotiated(
  members: readonly FamilyMember[],
  { fallback, ...negotiated }: NegotiatedFormat,
  slice: TimeSlice,
): Promise<{ readonly contentType: string; readonly joined: JoinedFamilies }> {
  const { contentType } = negotiated;
  const joined = await joinFamilies(members, negotiated.format, slice);
  if (joined.conflicts.length === 0 || fallback === undefined) return { contentType, joined };
  const inText = await joinFamilies(members, 'text', slice);
  return inText.conflicts.length < joined.conflicts.length
    ? { contentType: fallback, joined: inText }
    : { contentType, joined };
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

/** What a family and its samples are called, or may be by the format's rules. */
function namesOf(name: string, type: string, format: ExpositionFormat): readonly string[] {
  const suffixes = isMetricType(type) ? sampleSuffixes[type] : [];
  const ofFormat =
    format === 'text' ? suffixes.filter((suffix) => !ofOpenMetrics.includes(suffix)) : suffixes;
  return [...new Set([name, ...ofFormat.map((suffix) => name + suffix)])];
}
