import { beforeEach, describe, expect, it, vi } from 'vitest';
import { WakeUp } from '../../src/replication/replicator.js';

describe('a loop', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  it('is woken at the earliest time, and sleeps again', async () => {
    const wakeUp = new WakeUp();
    const started = performance.now();
    wakeUp.within(500);
    wakeUp.within(200);
    wakeUp.within(300);
    const woken = wakeUp.next().then(() => performance.now() - started);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await woken).toBe(200);

    let isAwake = false;
    const again = wakeUp.next().then(() => {
      isAwake = true;
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(isAwake).toBe(false);
    wakeUp.within(0);
    await vi.advanceTimersByTimeAsync(1);
    await again;
    expect(isAwake).toBe(true);
  });

  it('does not fall asleep where its time came while it was at work', async () => {
    const wakeUp = new WakeUp();
    wakeUp.within(10);
    await vi.advanceTimersByTimeAsync(20);
    await wakeUp.next();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer behind', () => {
    const wakeUp = new WakeUp();
    wakeUp.within(10);
    wakeUp.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});
