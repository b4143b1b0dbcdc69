/** An option of the sharing or of the limit that cannot be used; the message begins with its name. */
export class SharingOptionError extends Error {
  override readonly name = 'SharingOptionError';
  readonly code = 'ERR_SHARING_OPTION';
}

/** As many expositions are being rendered as may be. The scraper is answered 503 and may come again. */
export class TooManyScrapesError extends Error {
  override readonly name = 'TooManyScrapesError';
  readonly code = 'ERR_TOO_MANY_SCRAPES';
  /** When it is worth another try (s). */
  readonly retryAfterSeconds = 1;

  constructor(readonly max: number) {
    super(`limit of concurrent scrapes reached (${max}), try again later`);
  }
}

/** A scraper held up others with whom it shared a rendering; its transfer breaks off. */
export class LaggingScraperError extends Error {
  override readonly name = 'LaggingScraperError';
  readonly code = 'ERR_LAGGING_SCRAPER';

  constructor() {
    super('read too slowly beside others of the same rendering');
  }
}
