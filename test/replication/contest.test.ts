import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Contest } from '../../src/replication/contest.js';
import { rootBinding, rootRole } from './root-objects.js';

const object = rootBinding('b', 'own');
const minute = 60_000;

describe('what somebody else removes again and again', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is added ever more seldom, at last every ten minutes', () => {
    const contest = new Contest();
    const delays: number[] = [];
    for (let times = 0; times < 12; times += 1) {
      delays.push(contest.remainingMs(object));
      vi.advanceTimersByTime(contest.remainingMs(object));
      expect(contest.remainingMs(object)).toBe(0);
      contest.added(object);
    }
    const seconds = [0, 0, 0, 10, 20, 40, 80, 160, 320, 600, 600, 600];
    expect(delays.map((ms) => ms / 1000)).toEqual(seconds);
  });

  it('is another matter for each object', () => {
    const contest = new Contest();
    for (let times = 0; times < 3; times += 1) contest.added(object);
    expect(contest.remainingMs(rootBinding('c', 'own'))).toBe(0);
    expect(contest.remainingMs(rootRole('b', []))).toBe(0);
  });

  it.each<[what: string, end: (contest: Contest) => void]>([
    [
      'is added at once after it was removed here',
      (contest) => {
        contest.removed(object);
      },
    ],
    [
      'is forgotten after an hour without objection',
      () => {
        vi.advanceTimersByTime(60 * minute);
      },
    ],
  ])('%s', (_what, end) => {
    const contest = new Contest();
    for (let times = 0; times < 9; times += 1) contest.added(object);
    expect(contest.remainingMs(object)).toBeGreaterThan(0);
    end(contest);
    expect(contest.remainingMs(object)).toBe(0);
    contest.added(object);
    expect(contest.remainingMs(object)).toBe(0);
  });
});
