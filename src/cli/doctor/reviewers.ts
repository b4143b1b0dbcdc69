import { subjectAccessReview, tokenReview } from '../../kubernetes/reviews/review-kind.js';
import type { Finding } from './finding.js';
import { reviewerFindings } from './reviewer-checks.js';
import { accessReviewerFlags } from '../../options/authorization/authorization-webhook-flags.js';
import { tokenReviewerFlags } from '../../options/authentication/token-review-flags.js';
import type { FlagValues } from '../../options/flags.js';
import { reviewVersionOf, type ReviewerFlags } from '../../options/reviews/reviewer.js';
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
