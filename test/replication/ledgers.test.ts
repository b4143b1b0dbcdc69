import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ChangeLedger } from '../../src/replication/ledgers.js';
import type { RootObject, Change } from '../../src/replication/root-objects.js';
import { rootBinding, rootRole } from './root-objects.js';

const object = rootBinding('b', 'own');
const newer: RootObject = { ...object, resourceVersion: '2' };
const added = (to: RootObject): Change => ({ action: 'add', object: to, grants: [] });
const removed: Change = { action: 'remove', object, reason: 'names-nobody' };
const minute = 60_000;

let ledger: ChangeLedger;
beforeEach(() => {
  vi.useFakeTimers();
  ledger = new ChangeLedger();
});
describe('an object that is left alone', () => {
  it('is free after its time', () => {
    ledger.hold(object, 1000);
    vi.advanceTimersByTime(400);
    expect(ledger.remainingMs(removed)).toBe(600);
    vi.advanceTimersByTime(600);
    expect(ledger.remainingMs(removed)).toBe(0);
  });

  it('is free once there is a newer one', () => {
    ledger.hold(object, 1000);
    expect(ledger.remainingMs(added(newer))).toBe(0);
  });

  it('is news with each other message, until it is not to be changed any more', () => {
    ledger.hold(object, 1000);
    expect(ledger.hold(object, 1000, 'may not')).toBe(true);
    expect(ledger.hold(newer, 1000, 'may not')).toBe(false);
    expect(ledger.hold(newer, 1000, 'must not')).toBe(true);
    ledger.retainHolds([added(object)]);
    expect(ledger.hold(newer, 1000, 'must not')).toBe(false);
    ledger.retainHolds([]);
    expect(ledger.remainingMs(added(newer))).toBe(0);
    expect(ledger.hold(newer, 1000, 'must not')).toBe(true);
  });
});

describe('what another party removes again and again', () => {
  const addedTimes = (times: number): void => {
    for (let time = 0; time < times; time += 1) ledger.made(added(object));
  };

  it('is added ever more seldom, at last every ten minutes', () => {
    const delays: number[] = [];
    for (let times = 0; times < 12; times += 1) {
      delays.push(ledger.remainingMs(added(object)));
      vi.advanceTimersByTime(ledger.remainingMs(added(object)));
      expect(ledger.remainingMs(added(object))).toBe(0);
      addedTimes(1);
    }
    const seconds = [0, 0, 0, 10, 20, 40, 80, 160, 320, 600, 600, 600];
    expect(delays.map((ms) => ms / 1000)).toEqual(seconds);
  });

  it('is another matter for each object, and is removed at once', () => {
    addedTimes(3);
    expect(ledger.remainingMs(added(rootBinding('c', 'own')))).toBe(0);
    expect(ledger.remainingMs(added(rootRole('b', [])))).toBe(0);
    expect(ledger.remainingMs(removed)).toBe(0);
  });

  it.each<[what: string, end: () => void]>([
    [
      'is added at once after it was removed here',
      () => {
        ledger.made(removed);
      },
    ],
    [
      'is forgotten after an hour without objection',
      () => {
        vi.advanceTimersByTime(60 * minute);
      },
    ],
  ])('%s', (_what, end) => {
    addedTimes(9);
    expect(ledger.remainingMs(added(object))).toBeGreaterThan(0);
    end();
    expect(ledger.remainingMs(added(object))).toBe(0);
    addedTimes(1);
    expect(ledger.remainingMs(added(object))).toBe(0);
  });
});
