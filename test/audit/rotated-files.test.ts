import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outdated, rotatedAt, rotatedName } from '../../src/audit/log-file.js';

const path = '/var/log/audit.log';
const day = 24 * 3_600_000;
const now = Date.parse('2026-11-21T10:00:00Z');
const nameAt = (time: number): string => rotatedName(path, time).slice('/var/log/'.length);

describe('rotated files', () => {
  it.each([
    ['/var/log/audit.log', '/var/log/audit-2026-11-21T10-00-00.000.log'],
    ['/var/log/audit', '/var/log/audit-2026-11-21T10-00-00.000'],
    ['audit.v1.log', 'audit.v1-2026-11-21T10-00-00.000.log'],
  ])('of %s is named as lumberjack names it: %s', (file, name) => {
    expect(rotatedName(file, now)).toBe(name);
  });

  it('have their time in their name', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }), (time) => {
        expect(rotatedAt(path, nameAt(time.getTime()))).toBe(time.getTime());
      }),
    );
  });

  it.each([
    'audit.log',
    'audit-.log',
    'audit-2026-11-21T10-00-00.000',
    'audit-2026-11-21T10-00-00.000.log.gz',
    'audit-2026-13-41T10-00-00.000.log',
    'audit-2026-11-21T10:00:00.000.log',
    'audit-policy-2026-11-21T10-00-00.000.log',
    'other-2026-11-21T10-00-00.000.log',
  ])('are not %s, which is left alone', (name) => {
    expect(rotatedAt(path, name)).toBeUndefined();
    expect(outdated(path, [name], { maxAgeDays: 1, maxBackups: 1 }, now + 365 * day)).toEqual([]);
  });

  it.each([
    ['by their number', { maxAgeDays: 0, maxBackups: 2 }, [3, 4, 10]],
    ['by their age', { maxAgeDays: 3, maxBackups: 0 }, [4, 10]],
    ['by either', { maxAgeDays: 3, maxBackups: 3 }, [4, 10]],
    ['never', { maxAgeDays: 0, maxBackups: 0 }, []],
  ])('go %s, the oldest first', (_, retention, gone) => {
    const names = [4, 1, 10, 2, 3].map((days) => nameAt(now - days * day));
    expect(outdated(path, [...names, 'audit.log', 'notes.txt'], retention, now)).toEqual(
      gone.map((days) => nameAt(now - days * day)),
    );
  });
});
