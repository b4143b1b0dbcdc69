import type { UpstreamAnswer } from '../../../outgoing/upstream-client.js';
import { concatenated } from '../../body.js';
import { UpstreamUrlError } from '../../exposition-errors.js';
import type { RenderedExposition, ScrapeRequest } from '../../exposition.js';
import { parseMediaType } from '../../text-format/exposition-format.js';

/** Content codings passed on unchanged. */
const contentCodings: ReadonlySet<string> = new Set(['gzip', 'zstd', 'br', 'deflate', 'identity']);

/** Content types that Prometheus reads; anything else is not an exposition. */
const mediaTypes: ReadonlySet<string> = new Set([
  'text/plain',
  'application/openmetrics-text',
  'application/vnd.google.protobuf',
]);

/** Longer ones are left out: no scraper sends them. */
const maxAcceptLength = 2048;

/** A body up to this size (bytes) is awaited whole: one write costs less than many, and a failure is a status. */
const wholeBytes = 256 * 1024;

/**
 * The URL of an upstream's exposition; without a path, of its `/metrics`. It may have a query, which is sent and
 * never logged.
 *
 * @throws UpstreamUrlError
 */
export function parseUpstreamUrl(text: string): URL {
  // The URL parser would remove blanks and line ends silently.
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) {
    throw new UpstreamUrlError('must be an http or https URL such as http://127.0.0.1:8080/metrics');
  }
  if (text.includes('#')) throw new UpstreamUrlError('must not have a fragment');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw new UpstreamUrlError('must not hold credentials');
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}

/**
 * The only headers sent to an upstream. None of the scraper's other headers is passed on: credentials and a front proxy's
 * headers are not meant for the upstream.
 */
export function upstreamHeaders({
  accept,
  acceptEncoding = '',
  timeoutSeconds,
}: ScrapeRequest): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  if (/^[\x21-\x7e][\x20-\x7e]*$/.test(accept) && accept.length <= maxAcceptLength)
    headers['Accept'] = accept;
  headers['Accept-Encoding'] = knownCodings(acceptEncoding);
  if (timeoutSeconds !== undefined) headers['X-Prometheus-Scrape-Timeout-Seconds'] = String(timeoutSeconds);
  return headers;
}

/** Why an answer is not passed on. */
export function faultOf({
  status,
  contentType,
  contentEncoding,
  isEndedByClose,
}: UpstreamAnswer): string | undefined {
  if (status !== 200) return `answered ${status}`;
  const essence = parseMediaType(contentType)?.essence ?? '';
  if (!/^[\x20-\x7e]{1,256}$/.test(contentType) || !mediaTypes.has(essence)) {
    return `content type ${quoted(contentType)} is no exposition's`;
  }
  if (contentEncoding !== undefined && knownCoding(contentEncoding) === undefined) {
    return `content encoding ${quoted(contentEncoding)} is not known`;
  }
  // Prometheus would store half of one that is cut off.
  return isEndedByClose ? 'has neither a Content-Length nor chunks: cut off, it would look whole' : undefined;
}

/** A short answer whole, any other as it arrives. @throws ApiConnectionError if a short one breaks off. */
export async function passedOn(answer: UpstreamAnswer): Promise<RenderedExposition> {
  const { contentType, contentLength, body } = answer;
  const contentEncoding = answer.contentEncoding && knownCoding(answer.contentEncoding);
  if (contentLength === undefined || contentLength > wholeBytes) {
    return { contentType, contentLength, contentEncoding, body };
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return { contentType, contentEncoding, body: concatenated(chunks) };
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

/** A Content-Encoding as it is passed on: in lower case, and under its own name; undefined where it is not known. */
function knownCoding(contentEncoding: string): string | undefined {
  const coding = contentEncoding.trim().toLowerCase();
  // RFC 9110, 8.4.1.3.
  if (coding === 'x-gzip') return 'gzip';
  return contentCodings.has(coding) ? coding : undefined;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
