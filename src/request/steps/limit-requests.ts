import { addressKey } from '../limits/address-key.js';
import { RequestBuckets, type RequestBucketsOptions } from '../limits/request-buckets.js';
import { isBehindFrontProxy, type FrontProxyCheck } from '../front-proxy.js';
import { tell, type Middleware, type Request } from '../middleware.js';
import { requestState } from '../request-state.js';
import { sendStatus } from '../answer/status.js';
import { healthPaths } from '../../paths/always-allow.js';

export type LimitedBy = 'address' | 'identity';

export interface LimitRequestsOptions extends RequestBucketsOptions {
  /**
   * `address` stands before authentication, so that a flood costs no question to another server; `identity` behind it
   * and before authorization, so that what is denied counts too.
   */
  readonly by: LimitedBy;
  /** Whose address is everybody's: it is not limited by `address`. Default: nobody's. */
  readonly isFrontProxy?: FrontProxyCheck;
  /** Told of every request that is answered 429. */
  readonly onLimited?: (by: LimitedBy) => void;
}

const rejections: Readonly<Record<LimitedBy, string>> = {
  address: 'too many requests from this address',
  identity: 'too many requests by this identity',
};

/**
 * Answers 429 to who sends more than his share, by what no client can choose in a header. Health that everybody may see
 * is never limited; health that needs a credential has buckets of its own, so that a flood of scrapes takes nothing from
 * probes, and a flood of probes reaches no authenticator.
 *
 * @throws RequestLimitError
 */
export function limitRequests({
  by,
  isFrontProxy = () => false,
  onLimited = () => undefined,
  ...buckets
}: LimitRequestsOptions): Middleware {
  const ofHealth = new RequestBuckets(buckets);
  const ofOthers = new RequestBuckets(buckets);
  const mayStillPass = (request: Request): boolean =>
    by === 'address' && isBehindFrontProxy(request, isFrontProxy);
  return (request, response, next) => {
    const state = requestState(request);
    const isHealth = asksForHealth(request);
    const key = by === 'address' ? addressKey(request.socket.remoteAddress ?? '') : state.identity?.name;
    if (key === undefined || (isHealth && state.isAllowed === true)) {
      next();
      return;
    }
    const waitMs = (isHealth ? ofHealth : ofOthers).take(key);
    // Asked last: to find out costs more than a token.
    if (waitMs === 0 || mayStillPass(request)) {
      next();
      return;
    }
    state.rejected = rejections[by];
    tell(() => {
      onLimited(by);
    });
    sendStatus(request, response, 'TooManyRequests', 'Too many requests: please try again later', {
      'Retry-After': String(Math.max(1, Math.ceil(waitMs / 1000))),
    });
  };
}

/** Bare or below a scope; a single check of it is no probe's. */
function asksForHealth(request: Request): boolean {
  const { classification } = requestState(request);
  return classification?.kind === 'other' && healthPaths.includes(classification.path);
}
