import { beforeAll, describe, expect, it } from 'vitest';
import { subjectAccessReview, tokenReview } from '../../../src/kubernetes/reviews/review-kind.js';
import type { Finding } from '../../../src/cli/doctor/finding.js';
import { reviewerFindings } from '../../../src/cli/doctor/kubeconfig-checks.js';
import { ReviewServer, type ReviewAnswer } from '../../support/review-server.js';

let server: ReviewServer;
beforeAll(async () => {
  server = await ReviewServer.start();
});

function look(
  answer: ReviewAnswer,
  { kind = tokenReview, target = 'api-server' as const, kubeconfig = server.kubeconfig } = {},
): Promise<readonly Finding[]> {
  server.script = () => answer;
  server.reviews.splice(0);
  const subject = '--authentication-kubeconfig k';
  // Only what hangs is not waited for.
  const timeoutMs = answer === 'hang' ? 500 : 10_000;
  return reviewerFindings({ subject, kubeconfig, kind, target, timeoutMs }, Date.now());
}

describe('a server that is to be asked', () => {
  it.each([
    [tokenReview, 'authentication', { token: 'not-a-token' }],
    [
      subjectAccessReview,
      'authorization',
      { nonResourceAttributes: { path: '/metrics', verb: 'get' }, user: 'system:anonymous' },
    ],
  ])('is asked a %o that lets nobody in', async (kind, check, spec) => {
    const findings = await look({ status: {} }, { kind });
    expect(findings).toEqual([
      {
        level: 'ok',
        check,
        subject: '--authentication-kubeconfig k',
        message: expect.stringMatching(/^https:\/\/.* answers a \w+ in \d+ ms$/) as string,
      },
    ]);
    expect(server.reviews.map((review) => review.spec)).toEqual([spec]);
  });

  it.each<[string, ReviewAnswer, RegExp]>([
    ['that may not be asked', { code: 403 }, /answered 403.*: let this user create tokenreviews, as the Clu/],
    ['that does not know us', { code: 401 }, /answered 401/],
    ['that is something else', { body: '<html>' }, /: check that it is an API server or webhook/],
    ['that hangs', 'hang', /no answer within 500 ms: check that the server runs/],
    ['that fails', { code: 500 }, /answered 500/],
  ])('is an error %s', async (_, answer, message) => {
    const findings = await look(answer);
    expect(findings.map(({ level }) => level)).toEqual(['error']);
    expect(findings[0]?.message).toMatch(message);
    expect(JSON.stringify(findings)).not.toContain('token-of-the-filter');
  });

  it('is left to whoever reads the flags where its kubeconfig cannot be read', async () => {
    expect(await look({ status: {} }, { kubeconfig: '/nowhere' })).toEqual([]);
  });
});
