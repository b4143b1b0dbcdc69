import { ApiConnectionError } from '../../../outgoing/outgoing-errors.js';
import { UpstreamClient, type UpstreamAnswer, type UpstreamTls } from '../../../outgoing/upstream-client.js';
import type { Exposition, RenderedExposition } from '../../exposition.js';
import { faultOf, passedOn } from './upstream-answer.js';
import { UpstreamError } from '../../exposition-errors.js';
import { upstreamHeaders } from './upstream-headers.js';
import { identityFieldNames, identityWriter, type IdentityHeaders } from './upstream-identity.js';
import { tenantWriter, type TenantHeader } from './upstream-tenant.js';
import { parseUpstreamUrl } from './upstream-url.js';
import { tell } from '../../../tell.js';

/** The members about TLS are read at each scrape: a getter may follow a file. */
export interface UpstreamExpositionOptions extends UpstreamTls {
  /** http or https; without a path, `/metrics` of it. Redirects are not followed. */
  readonly url: string;
  /** How long the answer's headers may take (ms), where the scraper does not wait shorter. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * What is left of the scraper's timeout, though at most half of it, for a 504 to reach him (ms); 0 for a member of a
   * merged exposition, which has left its own. Default 200: exporters leave 500, so one that answers at its last moment
   * is still passed on.
   */
  readonly answeringMs?: number;
  /** How long the upstream may send nothing in the middle of the answer's body (ms). Default 30,000. */
  readonly stallTimeoutMs?: number;
  /**
   * How the upstream is told who scrapes; `{}` for kube-rbac-proxy's names. Where he cannot be said unmistakably in a
   * header, his scrape fails. Only a loopback address, or an upstream that knows this process by its certificate, can
   * tell these headers from somebody else's. Default: it is not told.
   */
  readonly identityHeaders?: IdentityHeaders;
  /**
   * How the upstream is told of which tenant the scraper is; where that is not sure, his scrape fails with a
   * NoTenantError. Only an upstream as above can believe them. Default: it is not told.
   */
  readonly tenantHeaders?: readonly TenantHeader[];
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
 * @throws UpstreamUrlError, IdentityHeadersError, TenantHeadersError
 */
export function upstreamExposition(options: UpstreamExpositionOptions): UpstreamExposition {
  const { timeoutMs = 10_000, answeringMs = 200, stallTimeoutMs = 30_000 } = options;
  const url = parseUpstreamUrl(options.url);
  const identityFields = options.identityHeaders && identityWriter(options.identityHeaders);
  const tenantFields =
    options.tenantHeaders && tenantWriter(options.tenantHeaders, identityFieldNames(options.identityHeaders));
  const client = new UpstreamClient(url, options);
  let lastContentType = textFormat;
  const failure = (error: UpstreamError): UpstreamError => {
    tell('upstreamExposition', options.onFailure, error);
    return error;
  };
  return {
    // The upstream is not asked for a HEAD: what it said last is the best that is known.
    contentType: () => lastContentType,
    async render(request) {
      const { timeoutSeconds = Infinity, signal } = request;
      const tenant = tenantFields?.(request.user);
      const identity = identityFields?.(request.user);
      if (identity?.kind === 'unspeakable') {
        throw failure(new UpstreamError(`${client.address}: ${identity.fault}`));
      }
      let answer: UpstreamAnswer;
      try {
        answer = await client.get({
          headers: { ...upstreamHeaders(request), ...identity?.fields, ...tenant },
          timeoutMs: Math.min(timeoutMs, waitingMs(timeoutSeconds * 1000, answeringMs)),
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
      let rendered: RenderedExposition;
      try {
        rendered = await passedOn(answer);
      } catch (error) {
        // `onBreakOff` has told of it.
        throw signal?.aborted === true ? error : upstreamError(error);
      }
      lastContentType = rendered.contentType;
      return rendered;
    },
    close: () => {
      client.close();
    },
  };
}

/** How long an answer may be waited for (ms), where the scraper does not wait forever. */
function waitingMs(scraperMs: number, answeringMs: number): number {
  return Math.max(scraperMs - answeringMs, scraperMs / 2);
}

function upstreamError(error: unknown): UpstreamError {
  if (!(error instanceof ApiConnectionError)) return new UpstreamError('the upstream failed');
  return new UpstreamError(error.message, error.causeCode === 'ETIMEDOUT' ? 504 : 502);
}
