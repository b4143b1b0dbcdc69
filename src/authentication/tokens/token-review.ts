import { LRUCache } from 'lru-cache';
import { isDeepStrictEqual } from 'node:util';
import { oneLine } from '../../documents/one-line.js';
import type { Reviewer } from '../../kubernetes/reviews/review-client.js';
import { ReviewError } from '../../kubernetes/kubernetes-errors.js';
import { tell } from '../../tell.js';
import {
  refused,
  requireNames,
  type Authentication,
  type Authenticator,
  type Credentials,
} from '../authenticator.js';
import { bearerToken, TokenCache, type TokenKey } from './bearer-token.js';
import { errorClass } from '../../error-class.js';
import type { Identity } from '../identity.js';
import { parseTokenReviewStatus, withoutToken } from './token-review-answer.js';
import { maxTokenBytes, unverifiedClaims } from './jwt/jwt-parts.js';
import { aFunction, checkOptions, having, oneOf, optional, texts } from '../../option-checks.js';

/** The result of a review of one token. */
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
  /**
   * A monotonic clock (ms) for the cache: setting the system clock back must not extend it.
   * Default performance.now, or `now` where that is given.
   */
  readonly steadyNow?: () => number;
  readonly observer?: TokenReviewObserver;
}

/**
 * Asks a reviewer, an API server or a webhook, about bearer tokens. Comes after the authenticators that decide by
 * themselves, since it takes every token. Without an answer the token is refused, and reviewed again at the next
 * request.
 *
 * @throws RangeError for an empty list of audiences.
 */
export function tokenReviewAuthenticator(options: TokenReviewOptions): Authenticator {
  checkOptions(options, {
    reviewer: having('new ReviewClient(options)', 'review'),
    audiences: optional(texts),
    withoutAudiences: optional(oneOf('accepted', 'refused')),
    now: optional(aFunction),
  });
  if (options.audiences !== undefined) requireNames('audiences', options.audiences);
  const reviews = new TokenReviews(options);
  return {
    name: 'token-review',
    authenticate: (credentials) => reviews.authenticate(credentials),
  };
}

interface Accepted {
  readonly authentication: Authentication;
  readonly identity: Identity;
  /** On the monotonic clock, exclusive. */
  readonly validUntil: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly expires: number;
}

const tooLong = refused('the token is longer than 64 KiB');
const forWebhooks = refused('the token is bound to a webhook configuration');
const maxReasonLength = 128;
/** For messages about listeners. */
const observed = 'tokenReviewAuthenticator';
/** The prefix of extras with which an API server describes such a binding, since Kubernetes 1.37. */
const webhookBinding = /^authentication\.kubernetes\.io\/(?:validating|mutating)webhookconfiguration-/;

class TokenReviews {
  readonly #options: TokenReviewOptions;
  readonly #audiences: readonly string[];
  readonly #now: () => number;
  readonly #steadyNow: () => number;
  /** Kept after it expires, so that the same answer gives the same identity object. */
  readonly #accepted: LRUCache<TokenKey, Accepted>;
  readonly #refused: TokenCache<Authentication>;
  readonly #underWay = new Map<TokenKey, Promise<Authentication>>();

  constructor(options: TokenReviewOptions) {
    const { audiences = [], limit = 4096, now } = options;
    const { steadyNow = now ?? (() => performance.now()) } = options;
    this.#options = options;
    this.#audiences = audiences;
    this.#now = now ?? Date.now;
    this.#steadyNow = steadyNow;
    this.#accepted = new LRUCache({ max: limit });
    this.#refused = new TokenCache({ limit, now: steadyNow });
  }

  authenticate(credentials: Credentials): Authentication | Promise<Authentication> {
    const token = bearerToken(credentials);
    if (typeof token !== 'string') return token;
    if (token.length > maxTokenBytes) return tooLong;
    const key = this.#refused.keyOf(token);
    const accepted = this.#accepted.get(key);
    const known = this.#isValid(accepted) ? accepted.authentication : this.#refused.get(key);
    const { observer } = this.#options;
    tell(observed, () => observer?.onCache?.(known === undefined ? 'miss' : 'hit'));
    return known ?? this.#underWay.get(key) ?? this.#begin(key, token, accepted);
  }

  #isValid(accepted: Accepted | undefined): accepted is Accepted {
    return (
      accepted !== undefined && this.#steadyNow() < accepted.validUntil && this.#now() < accepted.expires
    );
  }

  /** One review, however many requests have the token meanwhile. */
  #begin(key: TokenKey, token: string, accepted: Accepted | undefined): Promise<Authentication> {
    const review = this.#review(key, token, accepted).finally(() => {
      this.#underWay.delete(key);
    });
    this.#underWay.set(key, review);
    return review;
  }

  async #review(key: TokenKey, token: string, accepted: Accepted | undefined): Promise<Authentication> {
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    const tellReview = (observation: TokenReviewObservation): void => {
      tell(observed, () => this.#options.observer?.onReview?.(observation));
    };
    try {
      const authentication = await this.#ask(key, token, accepted);
      const result = authentication.kind === 'authenticated' ? 'authenticated' : 'not-authenticated';
      tellReview({ result, seconds: seconds() });
      return authentication;
    } catch (error) {
      const text = error instanceof ReviewError ? error.message : errorClass(error);
      const message = withoutToken(oneLine(text), token);
      tellReview({ result: 'error', message, seconds: seconds() });
      return refused(`reviewer failed: ${message}`);
    }
  }

  async #ask(key: TokenKey, token: string, accepted: Accepted | undefined): Promise<Authentication> {
    const { reviewer } = this.#options;
    const audiences = this.#audiences.length === 0 ? {} : { audiences: this.#audiences };
    const answer = await reviewer.review({ token, ...audiences }, { isKnown: accepted !== undefined });
    const status = parseTokenReviewStatus(answer);
    if (status.kind === 'not-authenticated') {
      const { error } = status;
      const refusal = notAuthenticated(error, token);
      // The reviewer may have failed itself, which is no reason to refuse a good token for longer.
      return error === '' || accepted === undefined ? this.#remember(key, refusal) : refusal;
    }
    if (!this.#isForUs(status.audiences)) {
      const reason = `audiences are not accepted: ${JSON.stringify(status.audiences)}`;
      return this.#remember(key, refused(oneLine(reason, maxReasonLength)));
    }
    if (Object.keys(status.identity.extra).some((extra) => webhookBinding.test(extra))) {
      return this.#remember(key, forWebhooks);
    }
    return this.#accept(key, token, status.identity, accepted);
  }

  #isForUs(answered: readonly string[]): boolean {
    if (this.#audiences.length === 0) return true;
    if (answered.length === 0) return this.#options.withoutAudiences === 'accepted';
    return answered.some((audience) => this.#audiences.includes(audience));
  }

  #accept(key: TokenKey, token: string, answered: Identity, before: Accepted | undefined): Authentication {
    const { authenticatedTtlMs = 10_000 } = this.#options;
    const isSame = before !== undefined && isDeepStrictEqual(before.identity, answered);
    const { authentication, identity } = isSame
      ? before
      : {
          authentication: Object.freeze({ kind: 'authenticated', identity: answered } as const),
          identity: answered,
        };
    const expires = (unverifiedClaims(token).expires ?? Infinity) * 1000;
    const validUntil = this.#steadyNow() + authenticatedTtlMs;
    this.#accepted.set(key, { authentication, identity, validUntil, expires });
    return authentication;
  }

  #remember(key: TokenKey, refusal: Authentication): Authentication {
    const { unauthenticatedTtlMs = 10_000 } = this.#options;
    // An earlier acceptance no longer counts.
    this.#accepted.delete(key);
    this.#refused.set(key, refusal, this.#steadyNow() + unauthenticatedTtlMs);
    return refusal;
  }
}

function notAuthenticated(error: string, token: string): Authentication {
  if (error === '') return refused('not authenticated');
  const text = withoutToken(oneLine(error), token);
  return refused(oneLine(`not authenticated: ${JSON.stringify(text)}`, maxReasonLength));
}
