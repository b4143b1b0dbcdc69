import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Expected, graceMs } from './expected.js';

describe('what a scraper has to get', () => {
  it('is either answer from the start of a change until two seconds after its end, and then the new one', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const expected = new Expected(200);
    const at = (ms: number): readonly number[] => expected.between(ms, ms);
    const start = performance.now();
    vi.advanceTimersByTime(1_000);
    await expected.turnsTo(403, () => {
      vi.advanceTimersByTime(500);
    });
    expect(at(start + 999)).toEqual([200]);
    expect(at(start + 1_000)).toEqual([200, 403]);
    expect(at(start + 1_500 + graceMs)).toEqual([200, 403]);
    expect(at(start + 1_501 + graceMs)).toEqual([403]);
    expect(expected.between(start, start + 1_000)).toEqual([200, 403]);
  });
});
