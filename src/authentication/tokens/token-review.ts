import { LRUCache } from 'lru-cache';
import { isDeepStrictEqual } from 'node:util';
import { oneLine } from '../../documents/one-line.js';
import type { Reviewer } from '../../kubernetes/reviews/review-client.js';
import { ReviewError } from '../../kubernetes/kubernetes-errors.js';
import { tell } from '../../tell.js';
import { refused, requireNames, type Authentication, type Authenticator } from '../authenticator.js';
import { bearerToken, TokenCache, type TokenKey } from './bearer-token.js';
import { errorClass } from '../../error-class.js';
import { parseTokenReviewStatus, withoutToken } from './token-review-answer.js';
import { maxTokenBytes, unverifiedClaims } from './jwt/jwt-parts.js';
import { aFunction, checkOptions, having, oneOf, optional, texts } from '../../option-checks.js';

type TokenReviewObservation =
  | { readonly result: 'authenticated' | 'not-authenticated'; readonly seconds: number }
  /** The message is one line for the operator's log, without any part of the token. */
  | { readonly result: 'error'; readonly message: string; readonly seconds: number };

interface TokenReviewObserver {
  /** Called for each token, for `authentication_token_cache_request_total`; a `miss` waits for a review. */
  readonly onCache?: (result: 'hit' | 'miss') => void;
  /** Called for each review, however many requests wait for it. */
  readonly onReview?: (observation: TokenReviewObservation) => void;
}

export interface TokenReviewOptions {
  /** Answers `tokenReview` objects. */
  readonly reviewer: Reviewer;
  /** A token must be for one of these. Default: the reviewer decides. */
  readonly audiences?: readonly string[];
  /**
   * What an answer without audiences means if some were requested. Kubernetes accepts it from a webhook, which may not
   * know audiences (`accepted`); an API server always returns them. Default `refused`.
   */
  readonly withoutAudiences?: 'accepted' | 'refused';
  /** How long an identity is cached (ms), never beyond the token's `exp`. 0: no cache. Default 10,000. */
  readonly authenticatedTtlMs?: number;
  /** The same for a refusal. Default 10,000. */
  readonly unauthenticatedTtlMs?: number;
  /** How many accepted, and how many refused tokens are remembered, separately. Default 4,096. */
  readonly limit?: number;
  /** Milliseconds since the epoch, for a token's `exp`; default Date.now. */
  readonly now?: () => number;
  /** A clock (ms) for the cache that is never set back. Default performance.now, or `now` where that is given. */
  readonly steadyNow?: () => number;
  readonly observer?: TokenReviewObserver;
}

/**
 * Asks a reviewer, an API server or a webhook, about bearer tokens. Comes after the authenticators that decide by
 * themselves, since it takes every token. Without an answer the token is refused, and reviewed again at the next
 * request.
 * @throws RangeError for an empty list of audiences.
 */
export function tokenReviewAuthenticator(options: TokenReviewOptions): Authenticator {
  checkOptions(options, {
    reviewer: having('new ReviewClient(options)', 'review'),
    audiences: optional(texts),
    withoutAudiences: optional(oneOf('accepted', 'refused')),
    now: optional(aFunction),
  });
  const { reviewer, audiences = [], withoutAudiences = 'refused', observer = {} } = options;
  const { authenticatedTtlMs = 10_000, unauthenticatedTtlMs = 10_000, limit = 4096 } = options;
  const { now = Date.now, steadyNow = options.now ?? (() => performance.now()) } = options;
  if (options.audiences !== undefined) requireNames('audiences', audiences);
  /** Kept after it expires, so that the same answer gives the same identity object. */
  const acceptances = new LRUCache<TokenKey, Acceptance>({ max: limit });
  const refusals = new TokenCache<Authentication>(limit, steadyNow);
  const underWay = new Map<TokenKey, Promise<Authentication>>();

  function remember(key: TokenKey, refusal: Authentication): Authentication {
    // An earlier acceptance no longer counts.
    acceptances.delete(key);
    refusals.set(key, refusal, steadyNow() + unauthenticatedTtlMs);
    return refusal;
  }

  function isForUs(answered: readonly string[]): boolean {
    if (audiences.length === 0) return true;
    if (answered.length === 0) return withoutAudiences === 'accepted';
    return answered.some((audience) => audiences.includes(audience));
  }

  async function ask(key: TokenKey, token: string, before: Acceptance | undefined): Promise<Authentication> {
    const spec = { token, audiences: options.audiences };
    const status = parseTokenReviewStatus(await reviewer.review(spec, { isKnown: before !== undefined }));
    if (status.kind === 'not-authenticated') {
      const { error } = status;
      const refusal = notAuthenticated(error, token);
      // The reviewer may have failed itself, which is no reason to refuse a good token for longer.
      return error === '' || before === undefined ? remember(key, refusal) : refusal;
    }
    const { identity } = status;
    if (!isForUs(status.audiences)) {
      const reason = `audiences are not accepted: ${JSON.stringify(status.audiences)}`;
      return remember(key, refused(oneLine(reason, maxReasonLength)));
    }
    if (Object.keys(identity.extra).some((extra) => webhookBinding.test(extra))) {
      return remember(key, forWebhooks);
    }
    const isSame = isDeepStrictEqual(before?.authentication.identity, identity);
    const authentication =
      before !== undefined && isSame
        ? before.authentication
        : Object.freeze({ kind: 'authenticated', identity } as const);
    const expires = (unverifiedClaims(token).expires ?? Infinity) * 1000;
    acceptances.set(key, { authentication, validUntil: steadyNow() + authenticatedTtlMs, expires });
    return authentication;
  }

  async function review(key: TokenKey, token: string, before: Acceptance | undefined) {
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const authentication = await ask(key, token, before);
      const result = authentication.kind === 'authenticated' ? 'authenticated' : 'not-authenticated';
      tell(owner, observer.onReview, { result, seconds: seconds() });
      return authentication;
    } catch (error) {
      const text = error instanceof ReviewError ? error.message : errorClass(error);
      const message = withoutToken(oneLine(text), token);
      tell(owner, observer.onReview, { result: 'error', message, seconds: seconds() });
      return refused(`reviewer failed: ${message}`);
    }
  }

  return {
    name: 'token-review',
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (typeof token !== 'string') return token;
      if (token.length > maxTokenBytes) return tooLong;
      const key = refusals.keyOf(token);
      const before = acceptances.get(key);
      const isValid = before !== undefined && steadyNow() < before.validUntil && now() < before.expires;
      const known = isValid ? before.authentication : refusals.get(key);
      tell(owner, observer.onCache, known === undefined ? 'miss' : 'hit');
      if (known !== undefined) return known;
      // One review, however many requests have the token meanwhile.
      const answer = underWay.get(key) ?? review(key, token, before).finally(() => underWay.delete(key));
      underWay.set(key, answer);
      return answer;
    },
  };
}

interface Acceptance {
  readonly authentication: Extract<Authentication, { readonly kind: 'authenticated' }>;
  /** On the monotonic clock, exclusive. */
  readonly validUntil: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly expires: number;
}

const tooLong = refused('the token is longer than 64 KiB');
const forWebhooks = refused('the token is bound to a webhook configuration');
const maxReasonLength = 128;
const owner = 'tokenReviewAuthenticator';
/** The prefix of extras with which an API server describes such a binding, since Kubernetes 1.37. */
const webhookBinding = /^authentication\.kubernetes\.io\/(?:validating|mutating)webhookconfiguration-/;

function notAuthenticated(error: string, token: string): Authentication {
  if (error === '') return refused('not authenticated');
  const text = withoutToken(oneLine(error), token);
  return refused(oneLine(`not authenticated: ${JSON.stringify(text)}`, maxReasonLength));
}
