import type { FrontProxyCheck } from '../request/front-proxy.js';
import { limitRequests, type LimitedBy } from '../request/steps/limit-requests.js';
import type { Middleware } from '../request/middleware.js';

/** How many requests a second each may send, and twice as many after a pause; 0: no bound. */
export interface RequestLimits {
  /** Of an address, or a /64 of IPv6; not of a front proxy that has proved itself. Default 0. */
  readonly perSecondByAddress?: number;
  /** Of a user, whether he is allowed or denied what he asks for. Default 0. */
  readonly perSecondByIdentity?: number;
}

/** The steps that hold requests to the limits; none where there is no bound. @throws RequestLimitError */
export function requestLimits(
  { perSecondByAddress = 0, perSecondByIdentity = 0 }: RequestLimits,
  onLimited: (by: LimitedBy) => void,
  isFrontProxy: FrontProxyCheck | undefined,
): {
  readonly beforeAuthentication: readonly Middleware[];
  readonly afterAuthentication: readonly Middleware[];
} {
  const limit = (by: LimitedBy, perSecond: number): readonly Middleware[] =>
    perSecond === 0
      ? []
      : [
          limitRequests({
            by,
            perSecond,
            onLimited,
            ...(isFrontProxy === undefined ? {} : { isFrontProxy }),
          }),
        ];
  return {
    beforeAuthentication: limit('address', perSecondByAddress),
    afterAuthentication: limit('identity', perSecondByIdentity),
  };
}
