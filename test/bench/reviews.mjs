import { tokenReviewAuthenticator } from '../../dist/authentication/tokens/token-review.js';
import { subjectAccessReviewAuthorizer } from '../../dist/authorization/subject-access-review.js';
import { nanosecondsPerCall } from './measure.mjs';
import { goalRow } from './report.mjs';
import { signedToken, signingKey } from './signed-tokens.mjs';
import { bearing } from './verified-tokens.mjs';

const identity = Object.freeze({ name: 'prometheus', groups: ['system:authenticated'], extra: {} });

/** Answers at once what it is told to: what is measured is what follows from it. */
export function reviewerAnswering(status) {
  return { version: 'v1', isFailing: false, review: () => Promise.resolve(status) };
}

/** What another server has said before, and is believed. */
export async function reviewRows() {
  const user = { username: identity.name, groups: identity.groups };
  const tokenReview = tokenReviewAuthenticator({
    reviewer: reviewerAnswering({ authenticated: true, user }),
    authenticatedTtlMs: 3_600_000,
  });
  const accessReview = subjectAccessReviewAuthorizer({
    reviewer: reviewerAnswering({ allowed: true }),
    authorizedTtlMs: 3_600_000,
  });
  const credentials = bearing(signedToken(signingKey('RS256'), 1));
  const attributes = { identity, verb: 'get', path: '/metrics' };
  await tokenReview.authenticate(credentials);
  await accessReview.authorize(attributes);
  return [
    goalRow('token review, cached', again(tokenReview.authenticate, credentials), 3000),
    goalRow('access review, cached', again(accessReview.authorize, attributes), 3000),
  ];
}

function again(ask, question) {
  return nanosecondsPerCall({
    batches: 400,
    inputs: () => Array.from({ length: 64 }, () => question),
    call: (asked) => {
      if (ask(asked) instanceof Promise) throw new Error('asked again');
    },
  });
}
