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
