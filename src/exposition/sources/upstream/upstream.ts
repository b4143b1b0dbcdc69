import { UpstreamClient, type UpstreamAnswer, type UpstreamTls } from '../../../outgoing/upstream-client.js';
import { tell } from '../../../tell.js';
import { asUpstreamError, UpstreamError } from '../../exposition-errors.js';
import { workingMs, type Exposition } from '../../exposition.js';
import { contentTypes } from '../../text-format/exposition-format.js';
import { faultOf, parseUpstreamUrl, passedOn, upstreamHeaders } from './upstream-messages.js';
import { callerWriter, type IdentityHeaders, type TenantHeader } from './upstream-identity.js';
import { aText, checkOptions, milliseconds, optional } from '../../../option-checks.js';

/** The members about TLS are read at each scrape: a getter may follow a file. */
export interface UpstreamExpositionOptions extends UpstreamTls {
  /** http or https; without a path, `/metrics` of it. Redirects are not followed. */
  readonly url: string;
  /** How long the answer's headers may take (ms), unless the scraper waits less. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * The part of the scraper's timeout reserved for a 504 to reach them (ms), at most half; 0 for a member of a merged
   * exposition, which reserves its own. Default 200: exporters reserve 500, so a last-moment answer is still passed on.
   */
  readonly answeringMs?: number;
  /** How long the upstream may send nothing in the middle of the answer's body (ms). Default 30,000. */
  readonly stallTimeoutMs?: number;
  /**
   * Headers that tell the upstream who scrapes; `{}` for kube-rbac-proxy's names. A scrape fails if a header would be
   * ambiguous. Only on a loopback address, or by this process's client certificate, can an upstream trust these headers.
   * Default: none.
   */
  readonly identityHeaders?: IdentityHeaders;
  /**
   * Headers that tell the upstream the scraper's tenant; if it is uncertain, the scrape fails with a NoTenantError. They
   * can be trusted only as above. Default: none.
   */
  readonly tenantHeaders?: readonly TenantHeader[];
  /** Called with the reason why a scrape failed or is incomplete; not if the scraper disconnected. */
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
  checkOptions(options, {
    url: aText,
    timeoutMs: optional(milliseconds(1)),
    answeringMs: optional(milliseconds()),
    stallTimeoutMs: optional(milliseconds(1)),
  });
  const { timeoutMs = 10_000, answeringMs = 200, stallTimeoutMs = 30_000 } = options;
  const client = new UpstreamClient(parseUpstreamUrl(options.url), options);
  const callerOf = callerWriter(options, client.address);
  let lastContentType = contentTypes.text;
  const failed = (cause: unknown): unknown => {
    const error = asUpstreamError(cause);
    if (error instanceof UpstreamError) tell('upstreamExposition', options.onFailure, error);
    return error;
  };
  return {
    // A HEAD does not ask the upstream: its last content type is the best known.
    contentType: () => lastContentType,
    async render(request) {
      const { signal } = request;
      let answer: UpstreamAnswer;
      try {
        answer = await client.send({
          query: request.query,
          headers: { ...upstreamHeaders(request), ...callerOf(request.user) },
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
        throw failed(new UpstreamError(`${client.address}: ${fault}`));
      }
      try {
        const rendered = await passedOn(answer);
        lastContentType = rendered.contentType;
        return rendered;
      } catch (error) {
        // `onBreakOff` has reported it.
        throw signal?.aborted === true ? error : asUpstreamError(error);
      }
    },
    close: () => {
      client.close();
    },
  };
}
