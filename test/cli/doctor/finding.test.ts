import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checks,
  finding,
  resultOf,
  withoutSubject,
  type Finding,
  type Level,
} from '../../../src/cli/doctor/finding.js';
import { anyCharacter } from '../../support/any-character.js';

describe('a finding', () => {
  it('is one line without control characters, whatever the names in it are', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: anyCharacter }),
      fc.constant('\u001b[31m\u202e\r\n\u0085'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...checks), text, text, (check, subject, message) => {
        const made = finding('ok', check, subject, message);
        for (const line of [made.subject, made.message]) {
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
        }
      }),
    );
  });

  it.each([
    ['/etc/kube: is empty', 'is empty'],
    ['/etc/kube', '/etc/kube'],
    ['/etc/kubeconfig: is empty', '/etc/kubeconfig: is empty'],
    ['/etc/kube:3: is empty', 'line 3: is empty'],
  ])('names its file once: %j', (message, expected) => {
    expect(withoutSubject(message, '/etc/kube')).toBe(expected);
  });
});

describe('the result', () => {
  const rows: readonly (readonly [levels: readonly Level[], result: string])[] = [
    [[], 'ok'],
    [['ok', 'ok'], 'ok'],
    [['ok', 'warning'], 'warnings'],
    [['warning', 'error', 'ok'], 'errors'],
  ];
  it.each(rows)('of %j is %s', (levels, result) => {
    const findings = levels.map((level): Finding => finding(level, 'flag', '--mode', 'is looked at'));
    expect(resultOf(findings)).toBe(result);
  });
});
