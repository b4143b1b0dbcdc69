import { describe, expect, it } from 'vitest';
import { nameAmongAll } from '../../src/authorization/authorizer.js';

describe('the name of a user among those of all workspaces', () => {
  it.each([
    ['ann', ['org'], 'ann'],
    ['system:serviceaccount:ns:bob', undefined, 'system:serviceaccount:ns:bob'],
    ['system:serviceaccount:ns:bob', [], 'system:serviceaccount:ns:bob'],
    ['system:serviceaccount:ns:bob', ['org'], 'system:kcp:serviceaccount:org:ns:bob'],
    ['system:serviceaccount:ns:bob', ['org', 'root'], 'system:kcp:serviceaccount:org,root:ns:bob'],
  ])('of %s of %o is %s', (given, home, expected) => {
    expect(
      nameAmongAll({ name: given, extra: home ? { 'authentication.kcp.io/cluster-name': home } : {} }),
    ).toBe(expected);
  });
});
