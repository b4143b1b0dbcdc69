import type { ScrapeRequest } from '../../exposition.js';
import { parseMediaType } from '../../text-format/exposition-format.js';

/** Content codings that a scraper may be given as the upstream made them. */
const contentCodings: ReadonlySet<string> = new Set(['gzip', 'zstd', 'br', 'deflate', 'identity']);

/** Of the formats that Prometheus reads; anything else is a page that was not meant for it. */
const mediaTypes: ReadonlySet<string> = new Set([
  'text/plain',
  'application/openmetrics-text',
  'application/vnd.google.protobuf',
]);

/** Longer ones are left out: no scraper sends them. */
const maxAcceptLength = 2048;

/**
 * All that an upstream is told of a scrape. Nothing else of the scraper's headers is passed on: neither his
 * credentials nor what a front proxy says of him are the upstream's business.
 */
export function upstreamHeaders({
  accept,
  acceptEncoding = '',
  timeoutSeconds,
}: ScrapeRequest): Readonly<Record<string, string>> {
  return {
    ...(/^[\x21-\x7e][\x20-\x7e]*$/.test(accept) && accept.length <= maxAcceptLength
      ? { Accept: accept }
      : {}),
    'Accept-Encoding': knownCodings(acceptEncoding),
    ...(timeoutSeconds === undefined
      ? {}
      : { 'X-Prometheus-Scrape-Timeout-Seconds': String(timeoutSeconds) }),
  };
}

/** The members of an Accept-Encoding header (RFC 9110, 12.5.3) that name a coding known here. */
function knownCodings(acceptEncoding: string): string {
  const members = acceptEncoding
    .slice(0, maxAcceptLength)
    .split(',')
    .flatMap((member) => {
      const [, coding = '', weight] =
        /^\s*([a-z]+)\s*(?:;\s*q=([01](?:\.\d{1,3})?)\s*)?$/i.exec(member) ?? [];
      if (!contentCodings.has(coding.toLowerCase())) return [];
      return [weight === undefined ? coding.toLowerCase() : `${coding.toLowerCase()};q=${weight}`];
    });
  return members.length === 0 ? 'identity' : [...new Set(members)].join(', ');
}

/** Whether a Content-Type is an exposition's. */
export function isExpositionType(contentType: string): boolean {
  const essence = parseMediaType(contentType)?.essence;
  return /^[\x20-\x7e]{1,256}$/.test(contentType) && essence !== undefined && mediaTypes.has(essence);
}

/** A Content-Encoding as it is passed on: in lower case, and under its own name; undefined where it is not known. */
export function knownCoding(contentEncoding: string): string | undefined {
  const coding = contentEncoding.trim().toLowerCase();
  // RFC 9110, 8.4.1.3.
  if (coding === 'x-gzip') return 'gzip';
  return contentCodings.has(coding) ? coding : undefined;
}
