import { ReviewError } from '../../src/kubernetes/kubernetes-errors.js';
import type { Reviewer, ReviewOptions } from '../../src/kubernetes/reviews/review-client.js';

/** Answers in place of a server, for what a server cannot be made to do at a given moment. */
export class FakeReviewer implements Reviewer {
  readonly version = 'v1';
  isFailing = false;
  readonly asked: (ReviewOptions & { readonly spec: object })[] = [];

  constructor(public answer: (spec: object) => unknown) {}

  async review(spec: object, options: ReviewOptions = {}): Promise<unknown> {
    this.asked.push({ spec, ...options });
    return Promise.resolve(this.answer(spec));
  }
}

export const refusedConnection = 'https://host: connection refused (ECONNREFUSED)';

/** Thrown in place of an answer. */
export function unavailable(): never {
  throw new ReviewError('unavailable', refusedConnection);
}

export type Reviewing = ReturnType<typeof reviewingWith>;

/** A reviewer and a clock for who asks it, and what that tells. */
export function reviewingWith(answer: unknown) {
  const reviewer = new FakeReviewer(() => answer);
  const clock = { now: 1_000_000 };
  const told: string[] = [];
  const observer = {
    onCache: (result: string) => told.push(result),
    onReview: (review: { readonly result: string; readonly message?: string }) =>
      told.push(review.message ?? review.result),
  };
  return { reviewer, clock, told, options: { reviewer, now: () => clock.now, observer } };
}
