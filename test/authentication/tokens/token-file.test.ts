import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenFileAuthenticator } from '../../../src/authentication/tokens/token-file.js';
import type { Authentication } from '../../../src/authentication/authenticator.js';
import { TokenFileError } from '../../../src/authentication/authentication-errors.js';

const text = [
  'tok-prom,prometheus,uid1',
  '',
  'tok-alice,alice,,"monitoring,team-a"',
  '"tok,quoted",carol,uid3,one',
  'tok-ü'.replace('ü', '~') + ',üser,uid4',
].join('\n');

function ask(authorization: readonly string[] | undefined): Authentication {
  const authenticator = tokenFileAuthenticator({ text, file: 'tokens.csv' });
  const headers = authorization === undefined ? {} : { authorization };
  return authenticator.authenticate({ headers }) as Authentication;
}

describe('the token file', () => {
  it.each([
    [['Bearer tok-prom'], { name: 'prometheus', uid: 'uid1', groups: [], extra: {} }],
    [['bearer tok-prom'], { name: 'prometheus', uid: 'uid1', groups: [], extra: {} }],
    [['BEARER tok-alice'], { name: 'alice', groups: ['monitoring', 'team-a'], extra: {} }],
    [['Bearer tok,quoted'], { name: 'carol', uid: 'uid3', groups: ['one'], extra: {} }],
    [['Bearer tok-~'], { name: 'üser', uid: 'uid4', groups: [], extra: {} }],
    [['Bearer tok-prom', 'Bearer nope'], { name: 'prometheus', uid: 'uid1', groups: [], extra: {} }],
  ])('knows %j', (authorization, identity) => {
    expect(ask(authorization)).toEqual({ kind: 'authenticated', identity });
  });

  it.each([
    [undefined],
    [['']],
    [['Bearer']],
    [['Bearer ']],
    [['Bearer  tok-prom']],
    [['Basic tok-prom']],
    [['tok-prom']],
    [['Bearer\ttok-prom']],
  ])('takes %j for no credential', (authorization) => {
    expect(ask(authorization)).toEqual({ kind: 'none' });
  });

  it.each([
    [['Bearer nope'], 'unknown token'],
    [['Bearer tok-prom,'], 'unknown token'],
    [['Bearer TOK-PROM'], 'unknown token'],
    [['Bearer tok-pro'], 'unknown token'],
    [['Bearer __proto__'], 'unknown token'],
    [['Bearer nope', 'Bearer tok-prom'], 'unknown token'],
    [['Bearer tok-prom x'], 'text behind the bearer token'],
  ])('refuses %j', (authorization, reason) => {
    expect(ask(authorization)).toEqual({ kind: 'refused', reason });
  });

  it.each([
    ['a,b', 'tokens.csv:1: expected at least 3 columns: token, user name, user uid'],
    ['ok,b,c\n,b,c', 'tokens.csv:2: the token is empty'],
    ['secret,,c', 'tokens.csv:1: the user name is empty'],
    ['secret,a,1\nother,a,1\nsecret,b,2', 'tokens.csv:3: the token stands in line 1 already'],
    ['secret,a,1,g1,g2', 'tokens.csv:1: more than 4 columns: several groups go into one quoted column'],
    ['secret token,a,1', 'tokens.csv:1: the token holds a character that no header can carry'],
    ['secret,"a,1', 'tokens.csv:1: not valid CSV'],
    ['ok,a,1\nsecret,b,2,"secret,"', 'tokens.csv:2: a group name is empty'],
    ['secret,a,1,"g1,,g2"', 'tokens.csv:1: a group name is empty'],
    ['secret,a,1,","', 'tokens.csv:1: a group name is empty'],
  ])('is refused whole when it holds %j', (broken, message) => {
    const make = (): unknown => tokenFileAuthenticator({ text: broken, file: 'tokens.csv' });
    expect(make).toThrow(TokenFileError);
    expect(make).toThrow(message);
    expect(make).not.toThrow(/secret/);
  });

  it('never throws anything but a TokenFileError, whatever the file holds, and never quotes it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.constantFrom(',', '"', '\n', '\r', 'secret', ' ', '\0')).map((parts) => parts.join('')),
        ),
        (content) => {
          try {
            tokenFileAuthenticator({ text: content, file: 'f' });
          } catch (error) {
            expect(error).toBeInstanceOf(TokenFileError);
            expect((error as Error).message).not.toContain('secret');
          }
        },
      ),
    );
  });

  it('never accepts a header that holds none of its tokens', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        fc.pre(!/tok/.test(value));
        expect(ask([`Bearer ${value}`]).kind).not.toBe('authenticated');
        expect(ask([value]).kind).not.toBe('authenticated');
      }),
    );
  });
});
