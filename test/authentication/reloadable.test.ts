import { describe, expect, it } from 'vitest';
import {
  type Authenticator,
  type Credentials,
  reloadableAuthenticator,
} from '../../src/authentication/authenticator.js';
import { tokenFileAuthenticator } from '../../src/authentication/tokens/token-file.js';

const bearing = (token: string): Credentials => ({ headers: { authorization: [`Bearer ${token}`] } });
const tokensOf = (text: string) => tokenFileAuthenticator({ text, file: 'tokens.csv' });

describe('an authenticator whose file is swapped', () => {
  it('is the one that is current when a request comes', async () => {
    const followed = { current: tokensOf('old,alice,1\n') };
    const authenticator = reloadableAuthenticator('token-file', followed);
    const kinds = async () => [
      (await authenticator.authenticate(bearing('old'))).kind,
      (await authenticator.authenticate(bearing('new'))).kind,
    ];
    expect(await kinds()).toEqual(['authenticated', 'refused']);
    followed.current = tokensOf('new,alice,1\n');
    expect(await kinds()).toEqual(['refused', 'authenticated']);
    followed.current = tokensOf('');
    expect(await kinds()).toEqual(['refused', 'refused']);
  });

  it('has one name, and passes on what it is given and what it is answered', () => {
    const asked: Credentials[] = [];
    const answer = Promise.resolve({ kind: 'none' as const });
    const current: Authenticator = {
      name: 'of the file',
      authenticate: (credentials) => {
        asked.push(credentials);
        return answer;
      },
    };
    const authenticator = reloadableAuthenticator('token-file', { current });
    const credentials = bearing('token');
    expect(authenticator.name).toBe('token-file');
    expect(authenticator.authenticate(credentials)).toBe(answer);
    expect(asked[0]).toBe(credentials);
  });

  it('gives the same identity object to each request while the file is the same', async () => {
    const authenticator = reloadableAuthenticator('token-file', { current: tokensOf('token,alice,1\n') });
    const one = await authenticator.authenticate(bearing('token'));
    expect(one).toMatchObject({ kind: 'authenticated', identity: { name: 'alice' } });
    expect(await authenticator.authenticate(bearing('token'))).toBe(one);
  });
});
