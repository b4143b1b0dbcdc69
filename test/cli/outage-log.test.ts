import { describe, expect, it } from 'vitest';
import { OutageLog } from '../../src/options/outage-log.js';

function setting() {
  const lines: unknown[] = [];
  const clock = { now: 0 };
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push([level, fields, message]);
    };
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const words = { failure: 'it failed', recovery: 'it works again', fields: { what: 'a' } };
  return { lines, clock, log: new OutageLog(logger, words, () => clock.now) };
}

describe('the log of an outage', () => {
  it('says when it begins and when it ends', () => {
    const { lines, log } = setting();
    log.answered();
    log.failed('no answer');
    log.answered();
    log.answered();
    expect(lines).toEqual([
      ['warn', { what: 'a' }, 'it failed: no answer'],
      ['info', { what: 'a' }, 'it works again'],
    ]);
  });

  it('says every ten seconds that it lasts, and how many failures were left out', () => {
    const { lines, clock, log } = setting();
    for (; clock.now <= 20_000; clock.now += 10) log.failed('no answer');
    expect(lines).toEqual([
      ['warn', { what: 'a' }, 'it failed: no answer'],
      ['warn', { what: 'a', suppressed: 999 }, 'it failed: no answer'],
      ['warn', { what: 'a', suppressed: 999 }, 'it failed: no answer'],
    ]);
  });

  it('is no longer where every other request is answered', () => {
    const { lines, clock, log } = setting();
    for (; clock.now < 30_000; clock.now += 1) {
      log.failed('not asked, with 48 questions under way');
      log.answered();
    }
    expect(lines).toHaveLength(6);
  });
});
