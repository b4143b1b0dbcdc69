import { nameAmongAll } from '../../authorization/authorizer.js';
import { healthPaths } from '../../paths/always-allow.js';
import { sendTooManyRequests } from '../answer/status.js';
import { isBehindFrontProxy, type FrontProxyCheck } from '../credentials.js';
import { addressKey, RequestBuckets, type RequestBucketsOptions } from '../limits/request-buckets.js';
import { listenerOf, requestState, type Guard, type Middleware } from '../middleware.js';
import { aFunction, checkOptions, oneOf, optional } from '../../option-checks.js';

type LimitedBy = 'address' | 'identity';

/** How many requests a second each client may send, and twice as many after a pause; 0: no bound. */
export interface RequestLimits {
  /** From an address, or a /64 of IPv6; not from a verified front proxy. Default 0. */
  readonly perSecondByAddress?: number;
  /** By a user, whether they are allowed or denied what they ask for. Default 0. */
  readonly perSecondByIdentity?: number;
}

export interface LimitRequestsOptions extends RequestBucketsOptions {
  /**
   * `address` stands before authentication, so that a flood costs no question to another server; `identity` behind it
   * and before authorization, so that what is denied counts too.
   */
  readonly by: LimitedBy;
  /** Front proxies are not limited by `address`, since they send the requests of many. Default: none. */
  readonly isFrontProxy?: FrontProxyCheck | undefined;
  /** Told of every request that is answered 429. */
  readonly onLimited?: (by: LimitedBy) => void;
}

const rejections: Readonly<Record<LimitedBy, string>> = {
  address: 'too many requests from this address',
  identity: 'too many requests by this identity',
};

/**
 * Answers 429 to a client that sends more than its share, told apart by what it cannot choose in a header. Health that
 * everybody may see is never limited; health that needs a credential has buckets of its own, so that a flood of scrapes
 * takes nothing from probes, and a flood of probes reaches no authenticator.
 * @throws RequestLimitError
 */
export function limitRequests(options: LimitRequestsOptions, guard?: Guard): Middleware {
  checkOptions(options, { by: oneOf('address', 'identity'), isFrontProxy: optional(aFunction) });
  const { by, isFrontProxy } = options;
  const listener = guard?.listener ?? listenerOf('limitRequests', { limited: () => options.onLimited?.(by) });
  const ofHealth = new RequestBuckets(options);
  const ofOthers = new RequestBuckets(options);
  return (request, response, next) => {
    const state = requestState(request);
    const { classification } = state;
    // Bare or below a scope, but not a single check, which no probe asks for.
    const isHealth = classification?.kind === 'other' && healthPaths.includes(classification.path);
    const key =
      by === 'address'
        ? addressKey(request.socket.remoteAddress ?? '')
        : state.identity && nameAmongAll(state.identity);
    const isExempt = key === undefined || (isHealth && state.isAllowed === true);
    const waitMs = isExempt ? 0 : (isHealth ? ofHealth : ofOthers).take(key);
    // The front proxy is looked for last, since that costs more than a token.
    const isProxy = (): boolean =>
      by === 'address' && isFrontProxy !== undefined && isBehindFrontProxy(request, isFrontProxy);
    if (waitMs === 0 || isProxy()) {
      next();
      return;
    }
    state.rejected = rejections[by];
    listener({ kind: 'limited', by });
    sendTooManyRequests(request, response, waitMs);
  };
}
