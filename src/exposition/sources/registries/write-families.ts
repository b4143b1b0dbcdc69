import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import type { TimeSlice } from '../../../time-slice.js';
import { writtenType } from '../../text-format/metric-type.js';
import { escapedHelp, escapedText } from '../../text-format/quoted-text.js';
import { ChunkWriter } from '../../body.js';
import { openMember, type Family, type FamilyMember } from './families.js';
import { SeriesClaims } from './series-claims.js';

/** Characters that are gathered before they become bytes: few enough to be garbage soon, enough to be worth the call. */
const batchLength = 4096;

export interface FamilyListeners {
  /** Told once of a family in which a metric has a series that one before it has: it is left out. */
  readonly onDuplicate: (name: string) => void;
  /** Told once of a metric of which a series could not be written: it is left out. */
  readonly onFailure: (name: string, error: unknown) => void;
}

/**
 * Writes families as prom-client writes them, in chunks of about 64 KiB and in time slices. The last chunk comes as
 * the returned value, all of a small exposition included.
 */
export async function* writeFamilies(
  families: readonly Family[],
  format: ExpositionFormat,
  slice: TimeSlice,
  listeners: FamilyListeners,
): AsyncGenerator<Buffer, Buffer, undefined> {
  const writer = new ChunkWriter();
  let batch = '';
  for (const lines of linesOf(families, format, listeners)) {
    batch += lines;
    if (batch.length >= batchLength) {
      writer.writeText(batch);
      batch = '';
      yield* writer.takeFull();
    }
    if (slice.isOver) await slice.rest();
  }
  // A small exposition needs no chunk of 64 KiB.
  if (writer.end === 0) return Buffer.from(batch);
  writer.writeText(batch);
  return yield* writer.rest();
}

function* linesOf(
  families: readonly Family[],
  format: ExpositionFormat,
  listeners: FamilyListeners,
): Generator<string, void, undefined> {
  const isText = format === 'text';
  for (const [index, family] of families.entries()) {
    const { name, help, type } = family;
    const gap = isText && index > 0 ? '\n' : '';
    // OpenMetrics escapes quotation marks in HELP as well.
    const escaped = isText ? escapedHelp(help) : escapedText(help);
    yield `${gap}# HELP ${name} ${escaped}\n# TYPE ${name} ${writtenType(type, format)}\n`;
    const claims = family.members.length > 1 ? new SeriesClaims() : undefined;
    let hasDuplicate = false;
    for (const member of family.members) {
      for (const lines of memberLines(family, member, format, claims, listeners)) {
        if (lines !== undefined) yield lines;
        else hasDuplicate = true;
      }
    }
    if (hasDuplicate) listeners.onDuplicate(name);
  }
  if (!isText) yield '# EOF\n';
  else if (families.length === 0) yield '\n';
}

/** One series after another; undefined for one that stands there already. */
function* memberLines(
  family: Family,
  member: FamilyMember,
  format: ExpositionFormat,
  claims: SeriesClaims | undefined,
  { onFailure }: FamilyListeners,
): Generator<string | undefined, void, undefined> {
  const series = openMember(family, member, format);
  let failure: { readonly error: unknown } | undefined;
  for (let index = 0; index < series.length; index += 1) {
    let lines: string | undefined;
    try {
      lines = isClaimed(index) ? series.write(index) : undefined;
    } catch (error) {
      failure ??= { error };
      lines = '';
    }
    yield lines;
  }
  if (failure !== undefined) onFailure(family.name, failure.error);

  function isClaimed(index: number): boolean {
    const identity = claims === undefined ? undefined : series.identity(index);
    return identity === undefined || claims?.claim(identity, member) === true;
  }
}
