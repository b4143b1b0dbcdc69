import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReviewOutage, type Admission } from '../../../src/kubernetes/reviews/review-outage.js';

/** With the longest pauses that are drawn. */
function outageAt(clock: { now: number }): ReviewOutage {
  return new ReviewOutage({ now: () => clock.now, random: () => 0 });
}

function admitted(outage: ReviewOutage): Admission {
  const admission = outage.admit();
  if (admission === undefined) throw new Error('not admitted');
  return admission;
}

it('lets every question through while they are answered', () => {
  const outage = outageAt({ now: 0 });
  const admissions = [admitted(outage), admitted(outage), admitted(outage)];
  for (const { answered } of admissions) answered();
  expect(admissions.map(({ isProbe }) => isProbe)).toEqual([false, false, false]);
  expect(outage.reason).toBeUndefined();
});

it('lets one question at a time through after a failure, behind a pause that grows from 250 ms to 5 s', () => {
  const clock = { now: 1000 };
  const outage = outageAt(clock);
  admitted(outage).failed('gone');
  expect(outage.reason).toBe('gone');
  for (const pauseMs of [250, 500, 1000, 2000, 4000, 5000, 5000]) {
    clock.now += pauseMs - 1;
    expect(outage.admit()).toBeUndefined();
    clock.now += 1;
    const probe = admitted(outage);
    expect(probe.isProbe).toBe(true);
    expect(outage.admit()).toBeUndefined();
    probe.failed('still gone');
  }
  expect(outage.reason).toBe('still gone');
});

it('is over with the first answer, and the next failure is the first again', () => {
  const clock = { now: 0 };
  const outage = outageAt(clock);
  admitted(outage).failed('gone');
  clock.now = 250;
  admitted(outage).answered();
  expect(outage.reason).toBeUndefined();
  admitted(outage).failed('gone again');
  clock.now += 250;
  expect(outage.admit()?.isProbe).toBe(true);
});

it('counts one failure, however many questions were under way', () => {
  const clock = { now: 0 };
  const outage = outageAt(clock);
  const admissions = Array.from({ length: 64 }, () => admitted(outage));
  for (const { failed } of admissions) failed('gone');
  clock.now = 250;
  expect(outage.admit()?.isProbe).toBe(true);
});

it('is over when a question is answered that was under way before', () => {
  const outage = outageAt({ now: 0 });
  const [slow, failing] = [admitted(outage), admitted(outage)];
  failing.failed('gone');
  slow.answered();
  expect(outage.admit()?.isProbe).toBe(false);
});

it.each([
  [1000, 1250],
  [300_000, 5000],
])('waits for the %d ms that a server asks for, but never more than 5 s', (retryAfterMs, pauseMs) => {
  const clock = { now: 0 };
  const outage = outageAt(clock);
  admitted(outage).failed('busy', retryAfterMs);
  clock.now = pauseMs - 1;
  expect(outage.admit()).toBeUndefined();
  clock.now = pauseMs;
  expect(outage.admit()).toBeDefined();
});

it('never has two probes at a time, and never keeps everybody out for more than 5 s', () => {
  const steps = fc.array(fc.oneof(fc.constantFrom('ask', 'answer', 'fail'), fc.nat(6000)), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (taken) => {
      const clock = { now: 0 };
      const outage = new ReviewOutage({ now: () => clock.now });
      const underWay: Admission[] = [];
      for (const step of taken) {
        if (typeof step === 'number') clock.now += step;
        else if (step === 'ask') {
          const admission = outage.admit();
          if (admission !== undefined) underWay.push(admission);
        } else if (step === 'answer') underWay.shift()?.answered();
        else underWay.shift()?.failed('gone');
        expect(underWay.filter(({ isProbe }) => isProbe).length).toBeLessThan(2);
      }
      for (const admission of underWay) admission.failed('gone');
      clock.now += 5000;
      expect(outage.admit()).toBeDefined();
    }),
  );
});
