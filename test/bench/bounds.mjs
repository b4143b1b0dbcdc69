import { parsePublicKeys } from '../../dist/authentication/tokens/jwt/verification-keys.js';
import { staticKeySet } from '../../dist/authentication/tokens/jwt/key-set.js';
import { serviceAccountAuthenticator } from '../../dist/authentication/tokens/service-account.js';
import { tokenReviewAuthenticator } from '../../dist/authentication/tokens/token-review.js';
import { subjectAccessReviewAuthorizer } from '../../dist/authorization/subject-access-review.js';
import { heapUsed } from './measure.mjs';
import { reviewerAnswering } from './reviews.mjs';
import { forgedToken, issuer, signedToken, signingKey } from './signed-tokens.mjs';
import { bearing } from './verified-tokens.mjs';

const many = 100_000;
/** Each of them is signed and verified. */
const manySigned = 12_000;
const goalMb = 16;
/** So many questions are under way at once. */
const atOnce = 100;

/** What is remembered of tokens and decisions, after far more of them than the bounds allow. */
export async function boundsRows() {
  const key = signingKey('ES256');
  const accounts = serviceAccountAuthenticator({
    keys: staticKeySet(parsePublicKeys(key.publicPem, 'bench.pem')),
    issuers: [issuer],
    audiences: [issuer],
  });
  const tokens = (status) => tokenReviewAuthenticator({ reviewer: reviewerAnswering(status) });
  const access = (status) => subjectAccessReviewAuthorizer({ reviewer: reviewerAnswering(status) });
  const accepted = { authenticated: true, user: { username: 'somebody', groups: ['monitoring', 'team-a'] } };
  const token = (number) => bearing(forgedToken(key, number));
  const question = (number) => ({
    identity: Object.freeze({ name: `user-${number}`, groups: ['system:authenticated'], extra: {} }),
    verb: 'get',
    path: '/metrics',
  });
  return [
    await row(`${manySigned} service-account tokens`, accounts.authenticate, manySigned, (number) =>
      bearing(signedToken(key, number)),
    ),
    await row(`${many} tokens with a bad signature`, accounts.authenticate, many, token),
    await row(`${many} reviewed tokens, all good`, tokens(accepted).authenticate, many, token),
    await row(`${many} reviewed tokens, all bad`, tokens({}).authenticate, many, token),
    await row(`${many} reviewed questions, all allowed`, access({ allowed: true }).authorize, many, question),
    await row(`${many} reviewed questions, none allowed`, access({}).authorize, many, question),
  ];
}

async function row(what, ask, count, make) {
  const before = heapUsed();
  for (let asked = 0; asked < count; asked += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, (_, at) => ask(make(asked + at))));
  }
  const megabytes = (heapUsed() - before) / 1e6;
  // Kept until here: what it remembers is what was measured.
  await ask(make(0));
  return {
    what: `heap held after ${what}`,
    figures: `${megabytes.toFixed(1)} MB`,
    goal: `< ${goalMb} MB`,
    met: megabytes < goalMb,
  };
}
