import type { TimeSlice } from '../../../time-slice.js';
import type { NegotiatedFormat } from '../../delivery/negotiation.js';
import { ChunkWriter, wholeOrStreamed } from '../../body.js';
import { MetricConflictError } from '../../exposition-errors.js';
import type { RenderedExposition } from '../../exposition.js';
import { SeriesDigest, SeriesDigests } from '../../series-digests.js';
import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import { writtenType } from '../../text-format/metadata-line.js';
import { escapedHelp, escapedText } from '../../text-format/quoted-text.js';
import type { CollectorFailure, FamilyMember } from './collectors.js';
import { joinNegotiated, openMember, type Family } from './families.js';

/** Characters that are gathered before they become bytes: few enough to be garbage soon, enough to be worth the call. */
const batchLength = 4096;

interface RenderOptions {
  readonly negotiated: NegotiatedFormat;
  readonly slice: TimeSlice;
  /** Whether metrics that contradict each other fail the scrape; else the first of them is written. */
  readonly isStrict: boolean;
  /** Called once for a metric that is left out in whole or in part. */
  readonly onFailure: (failure: CollectorFailure) => void;
}

/**
 * Metrics as prom-client writes them, joined into families, in chunks of about 64 KiB and in time slices.
 *
 * @throws MetricConflictError
 */
export async function renderFamilies(
  members: readonly FamilyMember[],
  { negotiated, slice, isStrict, onFailure }: RenderOptions,
): Promise<RenderedExposition> {
  const contradicted = (metric: string, cause: MetricConflictError['conflict'], other?: string): void => {
    onFailure({ metric, cause });
    if (isStrict) throw new MetricConflictError(metric, cause, other);
  };
  const { contentType, format, families, conflicts } = await joinNegotiated(members, negotiated, slice);
  for (const { metric, other } of conflicts) contradicted(metric, 'duplicate-name', other);
  const onDuplicate = (metric: string): void => {
    contradicted(metric, 'duplicate-series');
  };
  // While nothing is sent yet: a failure later breaks the scraper's transfer off.
  for (const family of isStrict ? families : []) {
    const mayHave = family.members.length > 1;
    if (mayHave && (await hasDuplicates(family, format, slice))) onDuplicate(family.name);
  }
  return wholeOrStreamed(contentType, writeFamilies());

  /** The last chunk comes as the returned value, all of a small exposition included. */
  async function* writeFamilies(): AsyncGenerator<Buffer, Buffer, undefined> {
    const writer = new ChunkWriter();
    let batch = '';
    for (const lines of linesOf(families, format, onDuplicate, onFailure)) {
      batch += lines;
      if (batch.length >= batchLength) {
        writer.writeText(batch);
        batch = '';
        // No `yield*`: it awaits a turn even where there is nothing to yield.
        for (const chunk of writer.takeFull()) yield chunk;
      }
      if (slice.isOver) await slice.rest();
    }
    // A small exposition needs no chunk of 64 KiB.
    if (writer.end === 0) return Buffer.from(batch);
    writer.writeText(batch);
    return yield* writer.rest();
  }
}

function* linesOf(
  families: readonly Family[],
  format: ExpositionFormat,
  onDuplicate: (metric: string) => void,
  onFailure: RenderOptions['onFailure'],
): Generator<string, void, undefined> {
  const isText = format === 'text';
  for (const [index, family] of families.entries()) {
    const { name, help, type } = family;
    const gap = isText && index > 0 ? '\n' : '';
    // OpenMetrics escapes quotation marks in HELP as well.
    const escaped = isText ? escapedHelp(help) : escapedText(help);
    const written = writtenType(type, format);
    // That is what no TYPE means in OpenMetrics, and expfmt refuses the word.
    const typeLine = written === 'unknown' ? '' : `# TYPE ${name} ${written}\n`;
    yield `${gap}# HELP ${name} ${escaped}\n${typeLine}`;
    const claims = family.members.length > 1 ? new SeriesClaims() : undefined;
    let hasDuplicate = false;
    for (const member of family.members) {
      const series = openMember(family, member, format);
      let failure: CollectorFailure | undefined;
      claims?.begin();
      for (let index = 0; index < series.length; index += 1) {
        let lines = '';
        try {
          const identity = claims && series.identity(index);
          if (identity === undefined || claims?.claim(identity) === true) lines = series.write(index);
          else hasDuplicate = true;
        } catch (error) {
          failure ??= { metric: name, cause: 'collect-failed', error };
        }
        yield lines;
      }
      if (failure !== undefined) onFailure(failure);
    }
    if (hasDuplicate) onDuplicate(name);
  }
  if (!isText) yield '# EOF\n';
  else if (families.length === 0) yield '\n';
}

/** Whether two metrics of a family have the same series. */
async function hasDuplicates(family: Family, format: ExpositionFormat, slice: TimeSlice): Promise<boolean> {
  const claims = new SeriesClaims();
  for (const member of family.members) {
    const series = openMember(family, member, format);
    claims.begin();
    for (let index = 0; index < series.length; index += 1) {
      const identity = series.identity(index);
      if (identity !== undefined && !claims.claim(identity)) return true;
      if (slice.isOver) await slice.rest();
    }
  }
  return false;
}

/** Which member of a family a series belongs to: to the first that has it. */
class SeriesClaims {
  readonly #digest = new SeriesDigest();
  readonly #digests = new SeriesDigests();
  #member = 0;

  /** What follows is the next member's. */
  begin(): void {
    this.#member += 1;
  }

  /** Whether the series is this member's. */
  claim(identity: string): boolean {
    const bytes = Buffer.from(identity);
    this.#digest.begin(bytes, 0, bytes.length);
    return this.#digests.claim(this.#digest, this.#member) === this.#member;
  }
}
