import { having } from '../option-checks.js';

/** A scrape, reduced to what its exposition may depend on. */
export interface ScrapeRequest {
  /** Of the Accept header; empty when there is none. */
  readonly accept: string;
  /** Of the Accept-Encoding header; empty or absent when there is none. */
  readonly acceptEncoding?: string | undefined;
  /** How long the scraper waits (s), at most an hour; undefined where it does not say. */
  readonly timeoutSeconds?: number | undefined;
  /** Parameters of its query that an upstream is told, as `name=value&…`; empty or absent if there are none. */
  readonly query?: string | undefined;
  /** The authenticated user; undefined where no authentication took place, as on an always-allow path. */
  readonly user?: ScrapingUser | undefined;
  /** On whose account the scrape is, for bounds alone: what is served must not depend on it. */
  readonly scraper?: string | undefined;
  /** Fires when the scraper goes away before it has everything. */
  readonly signal?: AbortSignal | undefined;
}

export interface ScrapingUser {
  readonly name: string;
  readonly groups: readonly string[];
  /** What else was verified about them. The id of their credential is left out: it is for audit logs. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export type RenderedExposition = WholeExposition | StreamedExposition;

export interface WholeExposition {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Of the Content-Encoding header, for bytes that are already encoded. */
  readonly contentEncoding?: string | undefined;
}

/** Sent as it comes, no faster than the scraper reads. Where it fails, the scraper's transfer breaks off. */
export interface StreamedExposition {
  readonly contentType: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Bytes of the body, where that is known before. */
  readonly contentLength?: number | undefined;
  /** Of the Content-Encoding header, for a body that is already encoded. */
  readonly contentEncoding?: string | undefined;
}

/** What is served to scrapers. */
export interface Exposition {
  /** The content type a scrape would get, without rendering anything; for HEAD. */
  contentType(request: ScrapeRequest): string;
  /**
   * Rejects only when nothing can be served: with an UpstreamError where that is another server's fault, with a
   * NoTenantError where the scraper is of no tenant.
   */
  render(request: ScrapeRequest): Promise<RenderedExposition>;
}

export const anExposition = having(
  'an Exposition, for example registriesExposition({ registries: [register] })',
  'render',
  'contentType',
);

/**
 * How long work for a scrape may take (ms): so that `reserveMs` of the scraper's timeout are left for what comes behind
 * it, at most half of it. Default: as Prometheus' own exporters leave for writing and sending.
 */
export function workingMs(
  { timeoutSeconds = Infinity }: Pick<ScrapeRequest, 'timeoutSeconds'>,
  reserveMs = 500,
): number {
  const timeoutMs = timeoutSeconds * 1000;
  return Math.max(timeoutMs - reserveMs, timeoutMs / 2);
}

/** Whether a content coding was applied to the body. */
export function isEncoded({ contentEncoding }: RenderedExposition): boolean {
  return contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity';
}

export function isStreamed(rendered: RenderedExposition): rendered is StreamedExposition {
  return typeof rendered.body === 'object' && Symbol.asyncIterator in rendered.body;
}
