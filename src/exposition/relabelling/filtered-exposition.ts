import { tell } from '../../tell.js';
import { abandon, bodyPieces, chunkBytes, wholeOrStreamed } from '../body.js';
import { asUpstreamError, SeriesLimitError, TextFormatError, UpstreamError } from '../exposition-errors.js';
import {
  anExposition,
  isEncoded,
  type Exposition,
  type RenderedExposition,
  type ScrapeRequest,
} from '../exposition.js';
import {
  acceptText,
  expositionFormat,
  type ExpositionFormat,
  parseMediaType,
} from '../text-format/exposition-format.js';
import { ExpositionFilter, type SeriesCounts } from './exposition-filter.js';
import { requireNames, requireNoFault } from './label-mapping.js';
import { checkedRules, type SeriesRules } from './series-rules.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { checkArgument, checkOptions } from '../../option-checks.js';

export interface FilteredExpositionOptions extends SeriesRules {
  /** The longest line that is read (bytes), in one go. Default 128 KiB. */
  readonly maxLineBytes?: number;
  /** Called for each scrape that was filtered; `abandoned` where the scraper went away. */
  readonly onScrape?: (result: FilterResult, counts: SeriesCounts) => void;
  /** Called where a scrape could not be filtered. The messages name lines, metrics and bounds, and no value. */
  readonly onFailure?: (error: FilterFailure) => void;
}

type FilterResult = 'success' | 'failure' | 'abandoned';
export type FilterFailure = TextFormatError | SeriesLimitError | UpstreamError;

/**
 * Another exposition with fewer series or other labels, filtered while it streams. An empty family has no header;
 * comments are left out. Scattered families are put together if that shows before anything was sent, and held for it (at
 * most 64 MiB).
 *
 * Everything is parsed before it is passed on: an exposition fails if it is malformed (Prometheus would refuse it), cut
 * off, encoded, of another format or has more than `maxSeries`. It fails with a status before 64 KiB of output; after
 * that the transfer breaks off, since half an exposition must not look complete.
 *
 * @throws RelabellingOptionError
 */
export function filteredExposition(exposition: Exposition, options: FilteredExpositionOptions): Exposition {
  checkArgument('exposition', exposition, anExposition);
  checkOptions(options, {});
  const { maxLineBytes, onScrape, onFailure } = options;
  const isLength = maxLineBytes === undefined || (Number.isSafeInteger(maxLineBytes) && maxLineBytes > 0);
  requireNoFault('maxLineBytes', isLength ? undefined : 'must be a whole number of at least 1');
  const currentRules = checkedRules(options);
  const failed = (error: unknown): unknown => {
    if (isFilterFailure(error)) tell('filteredExposition', onFailure, error);
    return error;
  };

  async function* filtered(
    rendered: RenderedExposition,
    format: ExpositionFormat,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, Uint8Array, undefined> {
    const filter = new ExpositionFilter(currentRules());
    let result: FilterResult = 'abandoned';
    try {
      for await (const parts of readTextFormat(bodyPieces(rendered), { format, maxLineBytes })) {
        requireNames(options.podNames);
        for (const part of parts) filter.write(part);
        // No `yield*`: it awaits a turn even where there is nothing to yield.
        for (const chunk of filter.takeFull()) yield chunk;
      }
      const last = yield* filter.rest();
      result = 'success';
      return last;
    } catch (error) {
      if (signal?.aborted !== true) result = 'failure';
      throw failed(error);
    } finally {
      tell('filteredExposition', onScrape, result, filter.counts);
    }
  }

  return {
    contentType: (request) => exposition.contentType(filteredRequest(request)),
    async render(request) {
      requireNames(options.podNames);
      const rendered = await exposition.render(filteredRequest(request));
      const { contentType } = rendered;
      const format = expositionFormat(contentType);
      if (format === undefined || isEncoded(rendered)) {
        await abandon(rendered);
        const fault = format === undefined ? 'its format is not known' : 'it is encoded';
        throw failed(new UpstreamError(`the exposition cannot be filtered: ${fault}`));
      }
      try {
        return await wholeOrStreamed(contentType, filtered(rendered, format, request.signal), chunkBytes);
      } catch (error) {
        throw beforeItIsSent(error);
      }
    },
  };
}

function isFilterFailure(error: unknown): error is FilterFailure {
  return (
    error instanceof TextFormatError || error instanceof SeriesLimitError || error instanceof UpstreamError
  );
}

/** Before anything is sent, an upstream's fault can be answered with a status. */
function beforeItIsSent(error: unknown): unknown {
  if (error instanceof TextFormatError) {
    return new UpstreamError(`the exposition cannot be filtered: ${error.message}`);
  }
  return asUpstreamError(error);
}

const maxAcceptLength = 2048;
const isWeight = /^(?:0(?:\.\d{1,3})?|1(?:\.0{1,3})?)$/;

/**
 * The request for the filtered exposition: the scraper's own without protobuf, content codings and names beyond
 * `[a-zA-Z0-9_:]`, which cannot be filtered.
 */
function filteredRequest({ accept, timeoutSeconds, user, signal }: ScrapeRequest): ScrapeRequest {
  return { accept: readableTypes(accept), acceptEncoding: 'identity', timeoutSeconds, user, signal };
}

/** The members of an Accept header (RFC 9110, 12.5.1) that name a format read here, in their order. */
function readableTypes(accept: string): string {
  const members = accept
    .slice(0, maxAcceptLength)
    .split(',')
    .flatMap((member) => {
      const { essence = '', parameters } = parseMediaType(member) ?? {};
      const weight = parameters?.get('q');
      const type = readableType(essence, parameters?.get('version'));
      if (type === undefined) return [];
      return [weight !== undefined && isWeight.test(weight) ? `${type};q=${weight}` : type];
    });
  return members.length === 0 ? acceptText : [...new Set(members)].join(',');
}

function readableType(essence: string, version: string | undefined): string | undefined {
  switch (essence) {
    case 'application/openmetrics-text':
      return [undefined, '1.0.0', '0.0.1'].includes(version)
        ? `${essence};version=${version ?? '1.0.0'};escaping=underscores`
        : undefined;
    case 'text/plain':
    case 'text/*':
    case '*/*':
      return [undefined, '0.0.4'].includes(version) ? acceptText : undefined;
    default:
      return undefined;
  }
}
