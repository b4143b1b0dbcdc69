/** What came of asking one question. */
export type SubjectAccessReviewObservation =
  | { readonly result: 'allow' | 'deny' | 'no-opinion'; readonly seconds: number }
  /** The message is one line for the operator's log. */
  | { readonly result: 'error'; readonly message: string; readonly seconds: number };

export interface SubjectAccessReviewObserver {
  /**
   * Of each question: a `miss` is what waits for a review. `stale` is told beside it where an earlier allow stood in
   * for the answer.
   */
  readonly onCache?: (result: 'hit' | 'miss' | 'stale') => void;
  /** Of each review, however many requests wait for it. */
  readonly onReview?: (observation: SubjectAccessReviewObservation) => void;
}
