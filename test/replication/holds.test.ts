import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Holds } from '../../src/replication/holds.js';
import { keyOf, type RootBinding } from '../../src/replication/root-object.js';
import { rootBinding } from './root-objects.js';

const object = rootBinding('b', 'own');
const newer: RootBinding = { ...object, resourceVersion: '2' };

describe('an object that is left alone', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is free after its time', () => {
    const holds = new Holds();
    holds.hold(object, 1000);
    vi.advanceTimersByTime(400);
    expect(holds.remainingMs(object)).toBe(600);
    vi.advanceTimersByTime(600);
    expect(holds.remainingMs(object)).toBe(0);
  });

  it('is free once there is a newer one', () => {
    const holds = new Holds();
    holds.hold(object, 1000);
    expect(holds.remainingMs(newer)).toBe(0);
  });

  it('is news with each other message, until nothing is wanted of it any more', () => {
    const holds = new Holds();
    expect(holds.hold(object, 1000)).toBe(false);
    expect(holds.hold(object, 1000, 'may not')).toBe(true);
    expect(holds.hold(newer, 1000, 'may not')).toBe(false);
    expect(holds.hold(newer, 1000, 'must not')).toBe(true);
    holds.retain(new Set([keyOf(object)]));
    expect(holds.hold(newer, 1000, 'must not')).toBe(false);
    holds.retain(new Set());
    expect(holds.remainingMs(newer)).toBe(0);
    expect(holds.hold(newer, 1000, 'must not')).toBe(true);
  });
});
