/**
 * The upstream gave nothing that can be served. The message is one line for the operator and begins with the
 * upstream's URL, without its query; a scraper is told the status alone.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code = 'ERR_UPSTREAM';

  constructor(
    message: string,
    /** What the scraper gets: 504 where the upstream took too long, else 502. */
    readonly status: 502 | 504 = 502,
  ) {
    super(message);
  }
}
