import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isEverybody, matchFault, type Callers } from '../../../src/cli/doctor/callers.js';
import type { Subject } from '../../../src/policy/objects.js';
import { anyCharacter } from '../../support/any-character.js';

const everyone: Callers = { authenticated: true, anonymous: true, serviceAccounts: true };
const user = (name: string): Subject => ({ kind: 'User', name });
const group = (name: string): Subject => ({ kind: 'Group', name });
const account = (name: string, namespace?: string): Subject => ({
  kind: 'ServiceAccount',
  name,
  ...(namespace === undefined ? {} : { namespace }),
});

describe('a subject', () => {
  const rows: readonly (readonly [subject: Subject, fault: RegExp | undefined])[] = [
    [user('prometheus'), undefined],
    [user('Prometheus Example'), undefined],
    [group('monitoring'), undefined],
    [group('system:authenticated'), undefined],
    [account('prometheus', 'monitoring'), undefined],
    [user('system:serviceaccount:monitoring:prometheus'), undefined],
    [user('system:serviceaccount:monitoring:prometheus.v2'), undefined],
    [user('system:kcp:serviceaccount:root:monitoring:prometheus'), undefined],
    [user(''), /^has an empty name$/],
    [group(''), /^has an empty name$/],
    [account('', 'monitoring'), /^has an empty name$/],
    [user(' prometheus'), /^has white space at the beginning or end/],
    [user('prometheus\n'), /^has white space at the beginning or end/],
    [group('monitoring\u00a0'), /^has white space at the beginning or end/],
    [account('prometheus'), /^has no namespace$/],
    [account('prometheus', ''), /^has no namespace$/],
    [user('system:serviceaccount:monitoring'), /^is not system:serviceaccount:<namespace>:<name>$/],
    [user('system:serviceaccount::prometheus'), /^is not system:serviceaccount:/],
    [user('system:serviceaccount:monitoring:'), /^is not system:serviceaccount:/],
    [user('system:serviceaccount:a:b:c'), /^is not system:serviceaccount:/],
    [user('system:serviceaccount:monitoring/prometheus'), /^is not system:serviceaccount:/],
    [user('system:serviceaccount:Monitoring:prometheus'), /^is not system:serviceaccount:/],
  ];
  it.each(rows)('%j: %s', (subject, fault) => {
    const found = matchFault(subject, everyone);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });

  it.each([
    account('prometheus', 'monitoring'),
    user('system:serviceaccount:monitoring:prometheus'),
    user('system:kcp:serviceaccount:root:monitoring:prometheus'),
  ])('that is a service account needs somebody who knows it: %j', (subject) => {
    expect(matchFault(subject, { ...everyone, serviceAccounts: false })).toMatch(
      /^is a service account, and none can be authenticated here: .*--requestheader-client-ca-file/,
    );
  });

  it.each([
    [true, false, undefined],
    [false, false, 'is nobody with --anonymous-auth=false'],
    // Whose scopes leave root out is anonymous there.
    [false, true, undefined],
  ])('for all without credentials: anonymous %s, front proxy %s', (anonymous, serviceAccounts, fault) => {
    const callers = { ...everyone, anonymous, serviceAccounts };
    expect(matchFault(user('system:anonymous'), callers)).toBe(fault);
    expect(matchFault(group('system:unauthenticated'), callers)).toBe(fault);
  });

  it('is everybody by kind and name', () => {
    expect([user('system:anonymous'), group('system:unauthenticated')].map(isEverybody)).toEqual([
      true,
      true,
    ]);
    expect(
      [group('system:anonymous'), user('system:unauthenticated'), group('system:authenticated')].map(
        isEverybody,
      ),
    ).toEqual([false, false, false]);
  });

  it('of any name is judged without failing', () => {
    const kind = fc.constantFrom('User', 'Group', 'ServiceAccount');
    const name = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.string().map((rest) => `system:serviceaccount:${rest}`),
    );
    fc.assert(
      fc.property(kind, name, fc.boolean(), fc.boolean(), (of, text, anonymous, serviceAccounts) => {
        const fault = matchFault(
          { kind: of, name: text, namespace: text },
          { authenticated: true, anonymous, serviceAccounts },
        );
        expect(fault).not.toBe('');
      }),
    );
  });
});
