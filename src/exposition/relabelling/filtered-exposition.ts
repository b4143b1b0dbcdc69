import { ApiConnectionError } from '../../outgoing/outgoing-errors.js';
import { abandon, chunkBytes, wholeOrStreamed } from '../body.js';
import { type Exposition, isEncoded } from '../exposition.js';
import { expositionFormat } from '../text-format/exposition-format.js';
import {
  UpstreamError,
  RelabellingOptionError,
  SeriesLimitError,
  TextFormatError,
} from '../exposition-errors.js';
import type { ExpositionFilter, SeriesCounts } from './exposition-filter.js';
import { filterFactory, type SeriesRules } from './filter-factory.js';
import { filteredBody } from './filtered-body.js';
import { filteredRequest } from './filtered-request.js';
import { tell } from '../../tell.js';

export interface FilteredExpositionOptions extends SeriesRules {
  /** The longest line that is read (bytes), in one go. Default 128 KiB. */
  readonly maxLineBytes?: number;
  /** Told of each scrape that was filtered; `abandoned` where the scraper went away. */
  readonly onScrape?: (result: FilterResult, counts: SeriesCounts) => void;
  /** Told why a scrape could not be filtered. The messages name lines, metrics and bounds, and no value. */
  readonly onFailure?: (error: FilterFailure) => void;
}

export type FilterResult = 'success' | 'failure' | 'abandoned';
export type FilterFailure = TextFormatError | SeriesLimitError | UpstreamError;

/**
 * Another exposition with fewer series or other labels, filtered while it streams. A family of which nothing is left
 * has no header; comments are left out. Families that come in pieces are put together where that shows before anything
 * was sent, and are held for it (at most 64 MiB).
 *
 * Nothing is passed on that was not read: what is malformed, which is what Prometheus refuses, cut off, encoded, of another format or beyond
 * `maxSeries` fails. It fails with a status as long as less than 64 KiB are left of it; after that the transfer breaks
 * off, since half an exposition must not look like a whole one.
 *
 * @throws RelabellingOptionError
 */
export function filteredExposition(exposition: Exposition, options: FilteredExpositionOptions): Exposition {
  const { maxLineBytes, onScrape, onFailure } = options;
  if (maxLineBytes !== undefined && !(Number.isSafeInteger(maxLineBytes) && maxLineBytes > 0)) {
    throw new RelabellingOptionError('maxLineBytes: must be a whole number of at least 1');
  }
  const newFilter = filterFactory(options);
  const failed = (error: unknown): unknown => {
    if (isFilterFailure(error)) tell('filteredExposition', onFailure, error);
    return error;
  };

  async function* observed(
    body: AsyncIterable<Uint8Array>,
    filter: ExpositionFilter,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, undefined, undefined> {
    let result: FilterResult = 'abandoned';
    try {
      yield* body;
      result = 'success';
      return undefined;
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
      const filter = newFilter();
      const rendered = await exposition.render(filteredRequest(request));
      const { contentType } = rendered;
      const format = expositionFormat(contentType);
      if (format === undefined || isEncoded(rendered)) {
        await abandon(rendered);
        const fault = format === undefined ? 'its format is not known' : 'it is encoded';
        throw failed(new UpstreamError(`the exposition cannot be filtered: ${fault}`));
      }
      const body = filteredBody(rendered, { format, maxLineBytes, filter });
      try {
        return await wholeOrStreamed(contentType, observed(body, filter, request.signal), chunkBytes);
      } catch (error) {
        throw beforeItIsSent(error);
      }
    },
  };
}

/** Nothing is sent yet, so whose fault it is can be answered with a status. */
function beforeItIsSent(error: unknown): unknown {
  if (error instanceof TextFormatError) {
    return new UpstreamError(`the exposition cannot be filtered: ${error.message}`);
  }
  // The body of an upstream broke off, or stood still.
  if (error instanceof ApiConnectionError) {
    return new UpstreamError(error.message, error.causeCode === 'ETIMEDOUT' ? 504 : 502);
  }
  return error;
}

function isFilterFailure(error: unknown): error is FilterFailure {
  return (
    error instanceof TextFormatError || error instanceof SeriesLimitError || error instanceof UpstreamError
  );
}
