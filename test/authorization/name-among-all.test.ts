import { describe, expect, it } from 'vitest';
import { asRootNames, nameAmongAll } from '../../src/authorization/authorizer.js';

describe('the name of a user among those of all workspaces', () => {
  it.each([
    ['ann', ['org'], 'ann'],
    ['system:serviceaccount:ns:bob', undefined, 'system:serviceaccount:ns:bob'],
    ['system:serviceaccount:ns:bob', [], 'system:serviceaccount:ns:bob'],
    ['system:serviceaccount:ns:bob', ['org'], 'system:kcp:serviceaccount:org:ns:bob'],
    ['system:serviceaccount:ns:bob', ['org', 'root'], 'system:kcp:serviceaccount:org,root:ns:bob'],
    // Not that of bob in root:org.
    [
      'system:serviceaccount:org:ns:bob',
      ['root'],
      'system:kcp:serviceaccount:root::system:serviceaccount:org:ns:bob',
    ],
    ['system:serviceaccount:ns', ['org'], 'system:kcp:serviceaccount:org::system:serviceaccount:ns'],
  ])('of %s of %o is %s', (given, home, expected) => {
    expect(
      nameAmongAll({ name: given, extra: home ? { 'authentication.kcp.io/cluster-name': home } : {} }),
    ).toBe(expected);
  });
});

describe('a user as root names them', () => {
  const account = (home: string) => ({
    name: 'system:serviceaccount:ns:bob',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    extra: { 'authentication.kcp.io/cluster-name': [home] },
  });

  it('is the same in root, and another where a service account is of another workspace', () => {
    expect(asRootNames(account('root'))).toEqual(account('root'));
    expect(asRootNames(account('root:org'))).toEqual({
      ...account('root:org'),
      name: 'system:kcp:serviceaccount:root:org:ns:bob',
      groups: ['system:authenticated'],
    });
  });
});
