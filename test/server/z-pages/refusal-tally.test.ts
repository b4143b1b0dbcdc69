import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refusalReason, type RefusedRequest } from '../../../src/audit/refusal-reason.js';
import { RefusalTally } from '../../../src/server/z-pages/refusal-tally.js';

const refused = (reason: string, authenticator = 'service-account'): RefusedRequest => ({
  code: 401,
  refusals: [{ authenticator, reason }],
});

describe('the reason of a refusal', () => {
  it.each<[RefusedRequest, string | undefined]>([
    [{ code: 200 }, undefined],
    [{ code: 307 }, undefined],
    [{ code: 400 }, 'the target or its scope is malformed'],
    [{ code: 401 }, 'no credentials'],
    [
      { code: 401, refusals: [], noCredentials: 'no method takes bearer tokens' },
      'no method takes bearer tokens',
    ],
    [{ code: 403 }, 'forbidden'],
    [{ code: 429 }, 'too many requests'],
    [{ code: 501 }, 'metrics below a scope'],
    [refused('expired at 2026-01-01T00:00:00.000Z'), 'service-account: expired'],
    [refused('certificate has expired on 2026-01-01T00:00:00.000Z'), 'service-account: expired'],
    [refused('unknown token', 'token-file'), 'token-file: unknown token'],
    [
      refused('front proxy "alice" is not an allowed name'),
      'service-account: not a front proxy that is allowed',
    ],
    [refused('audiences are not accepted: ["alice"]'), 'service-account: meant for another audience'],
    [refused('sub is alice of 192.0.2.1'), 'service-account: refused; the log says why'],
  ])('%j is %s', (request, expected) => {
    expect(refusalReason(request)).toBe(expected);
  });

  it('never holds what an authenticator quotes', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, behind) => {
        expect(refusalReason(refused(`${before}ALICE${behind}`))).not.toContain('ALICE');
      }),
    );
  });
});

describe('a tally of refusals', () => {
  it('counts by reason and tells the latest first', () => {
    const clock = { now: 1000 };
    const tally = new RefusalTally(() => clock.now);
    for (const code of [403, 200, 501, 403]) {
      tally.count({ code });
      clock.now += 1000;
    }
    expect(tally.refusals).toEqual([
      { reason: 'forbidden', code: 403, count: 2, lastAt: 4000 },
      { reason: 'metrics below a scope', code: 501, count: 1, lastAt: 3000 },
    ]);
  });

  it('forgets reasons that were not heard for longest, and holds no more than 32', () => {
    const tally = new RefusalTally(() => 0);
    tally.count({ code: 403 });
    for (let at = 0; at < 100; at += 1) {
      tally.count(refused('x', `authenticator-${at}`));
      if (at < 90) tally.count({ code: 403 });
    }
    expect(tally.refusals).toHaveLength(32);
    expect(tally.refusals[0]?.reason).toBe('authenticator-99: refused; the log says why');
    expect(tally.refusals.find(({ code }) => code === 403)?.count).toBe(91);
  });
});
