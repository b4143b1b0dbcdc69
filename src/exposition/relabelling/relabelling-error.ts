/** An option that cannot be used; the message begins with its name. */
export class RelabellingOptionError extends Error {
  override readonly name = 'RelabellingOptionError';
  readonly code = 'ERR_RELABELLING_OPTION';
}

/** A scrape with more series than it may have, which is not served in part. */
export class SeriesLimitError extends Error {
  override readonly name = 'SeriesLimitError';
  readonly code = 'ERR_SERIES_LIMIT';
}
