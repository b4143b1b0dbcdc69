import { subjectAccessReview, tokenReview } from '../../api-client/reviews/review-kind.js';
import type { Finding } from '../../diagnosis/finding.js';
import { reviewerFindings } from '../../diagnosis/reviewer-checks.js';
import { accessReviewerFlags } from '../authorization/authorization-webhook-flags.js';
import { tokenReviewerFlags } from '../authentication/token-review-flags.js';
import type { FlagValues } from '../flags.js';
import { reviewVersionOf, type ReviewerFlags } from '../reviews/reviewer.js';
import { givenFile } from './given-flags.js';

/** Asks the other servers that a start would ask, all at once. `now` in ms since the epoch. */
export async function reviewersFindings(usable: FlagValues, now: number): Promise<readonly Finding[]> {
  const reviewers = [
    ...reviewersOf(usable, tokenReviewerFlags).map((reviewer) => ({ ...reviewer, kind: tokenReview })),
    ...reviewersOf(usable, accessReviewerFlags).map((reviewer) => ({
      ...reviewer,
      kind: subjectAccessReview,
    })),
  ];
  return (await Promise.all(reviewers.map((reviewer) => reviewerFindings(reviewer, now)))).flat();
}

function reviewersOf(usable: FlagValues, flags: ReviewerFlags) {
  const version = reviewVersionOf(usable, flags);
  return ([flags.kubeconfig, flags.webhook] as const).flatMap((flag) => {
    const given = givenFile(usable, flag.name);
    if (given === undefined) return [];
    const target = flag === flags.webhook ? ('webhook' as const) : ('api-server' as const);
    return [{ subject: given.subject, kubeconfig: given.file, target, version }];
  });
}
