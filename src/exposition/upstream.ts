import { ApiConnectionError } from '../api-client/api-error.js';
import type { UpstreamTls } from '../api-client/upstream/upstream-agent.js';
import { UpstreamClient, type UpstreamAnswer } from '../api-client/upstream/upstream-client.js';
import type { Exposition, StreamedExposition } from './exposition.js';
import { UpstreamError } from './upstream-error.js';
import { isExpositionType, isKnownCoding, upstreamHeaders } from './upstream-headers.js';
import { parseUpstreamUrl } from './upstream-url.js';

/** The members about TLS are read at each scrape: a getter may follow a file. */
export interface UpstreamExpositionOptions extends UpstreamTls {
  /** http or https; without a path, `/metrics` of it. Redirects are not followed. */
  readonly url: string;
  /** How long the answer's headers may take (ms), where the scraper does not wait shorter. Default 10,000. */
  readonly timeoutMs?: number;
  /** How long the upstream may send nothing in the middle of the answer's body (ms). Default 30,000. */
  readonly stallTimeoutMs?: number;
  /** Told why a scrape got nothing, or not all of it; not of scrapers that went away. */
  readonly onFailure?: (error: UpstreamError) => void;
}

export interface UpstreamExposition extends Exposition {
  /** Closes the connections that no scrape uses; the others when theirs ends. */
  close(): void;
}

const textFormat = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The exposition of another process, such as the application beside this one, passed on byte by byte in the
 * format and coding that the scraper asked for.
 *
 * @throws UpstreamUrlError
 */
export function upstreamExposition(options: UpstreamExpositionOptions): UpstreamExposition {
  const { timeoutMs = 10_000, stallTimeoutMs = 30_000, onFailure = () => undefined } = options;
  const url = parseUpstreamUrl(options.url);
  const client = new UpstreamClient(url, options);
  let lastContentType = textFormat;
  const failure = (error: UpstreamError): UpstreamError => {
    tell(() => {
      onFailure(error);
    });
    return error;
  };
  return {
    // The upstream is not asked for a HEAD: what it said last is the best that is known.
    contentType: () => lastContentType,
    async render(request) {
      const { timeoutSeconds = Infinity, signal } = request;
      let answer: UpstreamAnswer;
      try {
        answer = await client.get({
          headers: upstreamHeaders(request),
          timeoutMs: Math.min(timeoutMs, timeoutSeconds * 1000),
          stallTimeoutMs,
          ...(signal === undefined ? {} : { signal }),
          onBreakOff: (error) => failure(upstreamError(error)),
        });
      } catch (error) {
        throw signal?.aborted === true ? error : failure(upstreamError(error));
      }
      const fault = faultOf(answer);
      if (fault !== undefined) {
        await answer.body.return();
        throw failure(new UpstreamError(`${client.address}: ${fault}`));
      }
      const rendered = passedOn(answer);
      lastContentType = rendered.contentType;
      return rendered;
    },
    close: () => {
      client.close();
    },
  };
}

/** Why an answer is not passed on. */
function faultOf({ status, contentType, contentEncoding }: UpstreamAnswer): string | undefined {
  if (status !== 200) return `answered ${status}`;
  if (!isExpositionType(contentType)) return `content type ${quoted(contentType)} is no exposition's`;
  if (contentEncoding !== undefined && !isKnownCoding(contentEncoding)) {
    return `content encoding ${quoted(contentEncoding)} is not known`;
  }
  return undefined;
}

function passedOn(answer: UpstreamAnswer): StreamedExposition {
  const { contentType, contentLength, contentEncoding, body } = answer;
  return {
    contentType,
    body,
    ...(contentLength === undefined ? {} : { contentLength }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
  };
}

function upstreamError(error: unknown): UpstreamError {
  if (!(error instanceof ApiConnectionError)) return new UpstreamError('the upstream failed');
  return new UpstreamError(error.message, error.causeCode === 'ETIMEDOUT' ? 504 : 502);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

/** Whoever listens cannot make a scrape fail. */
function tell(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    process.emitWarning(
      `a callback of the upstream failed with ${error instanceof Error ? error.name : typeof error}`,
    );
  }
}
