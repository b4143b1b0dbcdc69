/** A scrape, reduced to what its exposition may depend on. */
export interface ScrapeRequest {
  /** Of the Accept header; empty when there is none. */
  readonly accept: string;
}

export interface RenderedExposition {
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** What is served to whoever may scrape. */
export interface Exposition {
  /** The content type a scrape would get, without rendering anything; for HEAD. */
  contentType(request: ScrapeRequest): string;
  /** Rejects only when nothing can be served. */
  render(request: ScrapeRequest): Promise<RenderedExposition>;
}
