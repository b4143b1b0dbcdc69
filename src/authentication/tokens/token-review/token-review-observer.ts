/** What came of asking about one token. */
export type TokenReviewObservation =
  | { readonly result: 'authenticated' | 'not-authenticated'; readonly seconds: number }
  /** The message is one line for the operator's log, without any of the token. */
  | { readonly result: 'error'; readonly message: string; readonly seconds: number };

export interface TokenReviewObserver {
  /** Of each token, for `authentication_token_cache_request_total`; a `miss` is what waits for a review. */
  readonly onCache?: (result: 'hit' | 'miss') => void;
  /** Of each review, however many requests wait for it. */
  readonly onReview?: (observation: TokenReviewObservation) => void;
}
