import { UpstreamClient, type UpstreamAnswer, type UpstreamTls } from '../../../outgoing/upstream-client.js';
import { tell } from '../../../tell.js';
import { asUpstreamError, UpstreamError } from '../../exposition-errors.js';
import { workingMs, type Exposition } from '../../exposition.js';
import { faultOf, parseUpstreamUrl, passedOn, upstreamHeaders } from './upstream-http.js';
import {
  identityFieldNames,
  identityWriter,
  tenantWriter,
  type IdentityHeaders,
  type TenantHeader,
} from './upstream-identity.js';

/** The members about TLS are read at each scrape: a getter may follow a file. */
export interface UpstreamExpositionOptions extends UpstreamTls {
  /** http or https; without a path, `/metrics` of it. Redirects are not followed. */
  readonly url: string;
  /** How long the answer's headers may take (ms), where the scraper does not wait shorter. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * What is left of the scraper's timeout, though at most half of it, for a 504 to reach them (ms); 0 for a member of a
   * merged exposition, which has left its own. Default 200: exporters leave 500, so one that answers at its last moment
   * is still passed on.
   */
  readonly answeringMs?: number;
  /** How long the upstream may send nothing in the middle of the answer's body (ms). Default 30,000. */
  readonly stallTimeoutMs?: number;
  /**
   * How the upstream is told who scrapes; `{}` for kube-rbac-proxy's names. A scrape fails where a header cannot say
   * that without ambiguity. Only a loopback address, or an upstream that knows this process by its certificate, can
   * tell these headers from those of another client. Default: it is not told.
   */
  readonly identityHeaders?: IdentityHeaders;
  /**
   * How the upstream is told the scraper's tenant; where that is not certain, the scrape fails with a NoTenantError.
   * Only an upstream as above can trust them. Default: it is not told.
   */
  readonly tenantHeaders?: readonly TenantHeader[];
  /** Told why a scrape got nothing, or not all of it; not of scrapers that went away. */
  readonly onFailure?: (error: UpstreamError) => void;
}

export interface UpstreamExposition extends Exposition {
  /** Closes the connections that no scrape uses; the others when theirs ends. */
  close(): void;
}

/**
 * The exposition of another process, such as the application beside this one, passed on byte by byte in the
 * format and coding that the scraper asked for.
 *
 * @throws UpstreamUrlError, IdentityHeadersError, TenantHeadersError
 */
export function upstreamExposition(options: UpstreamExpositionOptions): UpstreamExposition {
  const { timeoutMs = 10_000, answeringMs = 200, stallTimeoutMs = 30_000 } = options;
  const { identityHeaders, tenantHeaders } = options;
  const identityOf = identityHeaders && identityWriter(identityHeaders);
  const tenantOf = tenantHeaders && tenantWriter(tenantHeaders, identityFieldNames(identityHeaders));
  const client = new UpstreamClient(parseUpstreamUrl(options.url), options);
  let lastContentType = 'text/plain; version=0.0.4; charset=utf-8';
  const failed = (cause: unknown): unknown => {
    const error = asUpstreamError(cause);
    if (error instanceof UpstreamError) tell('upstreamExposition', options.onFailure, error);
    return error;
  };
  const refused = (fault: string): unknown => failed(new UpstreamError(`${client.address}: ${fault}`));
  return {
    // The upstream is not asked for a HEAD: what it said last is the best that is known.
    contentType: () => lastContentType,
    async render(request) {
      const { user, signal } = request;
      const tenant = tenantOf?.(user);
      const identity = identityOf?.(user);
      if (identity?.fault !== undefined) throw refused(identity.fault);
      let answer: UpstreamAnswer;
      try {
        answer = await client.get({
          headers: { ...upstreamHeaders(request), ...identity?.fields, ...tenant },
          timeoutMs: Math.min(timeoutMs, workingMs(request, answeringMs)),
          stallTimeoutMs,
          signal,
          onBreakOff: failed,
        });
      } catch (error) {
        throw signal?.aborted === true ? error : failed(error);
      }
      const fault = faultOf(answer);
      if (fault !== undefined) {
        await answer.body.return();
        throw refused(fault);
      }
      try {
        const rendered = await passedOn(answer);
        lastContentType = rendered.contentType;
        return rendered;
      } catch (error) {
        // `onBreakOff` has told of it.
        throw signal?.aborted === true ? error : asUpstreamError(error);
      }
    },
    close: () => {
      client.close();
    },
  };
}
