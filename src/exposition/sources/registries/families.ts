import type { TimeSlice } from '../../../time-slice.js';
import type { NegotiatedFormat } from '../../delivery/negotiation.js';
import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import type { FamilyMember } from './collectors.js';
import type { Series } from './series.js';
import { isMetricType, sampleSuffixes } from '../../text-format/metadata-line.js';

/** Samples that the text format does not have. */
const ofOpenMetrics: readonly string[] = ['_total', '_created'];

/** All metrics of one name, help and type, which stand under one header. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly members: readonly FamilyMember[];
}

interface JoinedFamilies {
  readonly format: ExpositionFormat;
  /** In the order in which their names appear. */
  readonly families: readonly Family[];
  /** Metrics that cannot be served beside one that came before them, the `other`. */
  readonly conflicts: readonly { readonly metric: string; readonly other: string }[];
}

/**
 * Metrics joined into families, in time slices. One whose name, or whose samples', stands already for something else is
 * left out: with another help or type, or as that of another metric's samples.
 */
export async function joinFamilies(
  members: Iterable<FamilyMember>,
  format: ExpositionFormat,
  slice: TimeSlice,
): Promise<JoinedFamilies> {
  const families = new Map<string, Family & { readonly members: FamilyMember[] }>();
  /** By the names of families and of all their samples: the metric. */
  const owners = new Map<string, string>();
  const conflicts: JoinedFamilies['conflicts'][number][] = [];
  for (const member of members) {
    if (slice.isOver) await slice.rest();
    const { name: metric, help, type } = member;
    const name = familyName(member, format);
    const family = families.get(name);
    if (family !== undefined && owners.get(name) === metric) {
      if (family.help === help && family.type === type) family.members.push(member);
      else conflicts.push({ metric, other: metric });
      continue;
    }
    const names = namesOf(name, type, format);
    const taken = names.find((one) => owners.has(one));
    if (taken !== undefined) {
      conflicts.push({ metric, other: owners.get(taken) ?? taken });
      continue;
    }
    for (const one of names) owners.set(one, metric);
    families.set(name, { name, help, type, members: [member] });
  }
  return { format, families: [...families.values()], conflicts };
}

/**
 * The same in the format that was negotiated, or in the text format where metrics contradict each other in OpenMetrics
 * alone, as a counter `jobs_total` does beside a gauge `jobs`.
 */
export async function joinNegotiated(
  members: readonly FamilyMember[],
  { format, contentType, fallback }: NegotiatedFormat,
  slice: TimeSlice,
): Promise<JoinedFamilies & { readonly contentType: string }> {
  const joined = await joinFamilies(members, format, slice);
  if (joined.conflicts.length > 0 && fallback !== undefined) {
    const inText = await joinFamilies(members, 'text', slice);
    if (inText.conflicts.length < joined.conflicts.length) return { ...inText, contentType: fallback };
  }
  return { ...joined, contentType };
}

/** The series of one member of the family. */
export function openMember({ name, type }: Family, member: FamilyMember, format: ExpositionFormat): Series {
  const isTotal = format === 'openmetrics' && type === 'counter';
  const { defaultLabels } = member;
  return member.open({ sampleName: isTotal ? `${name}_total` : name, defaultLabels, format });
}

/** OpenMetrics names a counter without the suffix of its samples. */
function familyName({ name, type }: FamilyMember, format: ExpositionFormat): string {
  return format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
}

/** What a family and its samples are called, or may be by the format's rules. */
function namesOf(name: string, type: string, format: ExpositionFormat): readonly string[] {
  const suffixes = isMetricType(type) ? sampleSuffixes[type] : [];
  const ofFormat = suffixes.filter((suffix) => format !== 'text' || !ofOpenMetrics.includes(suffix));
  return [...new Set([name, ...ofFormat.map((suffix) => name + suffix)])];
}
