import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secrets } from './secrets.js';

const secret = fc.stringMatching(/^[A-Za-z0-9_-]{12,60}$/);

describe('the search for secrets', () => {
  it('finds each of them, wherever it stands', () => {
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1 }), fc.string(), fc.string(), (all, before, after) => {
        const secrets = new Secrets();
        for (const each of all) secrets.add(each);
        const [first = ''] = all;
        const text = Buffer.concat([Buffer.from(before), Buffer.from(first), Buffer.from(after)]);
        expect(secrets.foundIn(text)).toContain(Buffer.byteLength(before));
      }),
    );
  });

  it('finds nothing where there is none, and not the beginning of one', () => {
    fc.assert(
      fc.property(fc.array(secret), fc.string({ maxLength: 500 }), (all, text) => {
        const secrets = new Secrets();
        for (const each of all) secrets.add(`${each}|never`);
        expect(secrets.foundIn(Buffer.from(`${text} ${all.join(' ')}`))).toEqual([]);
      }),
    );
  });

  it('finds the lines of a key and the signature of a token', () => {
    const secrets = new Secrets();
    const line = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1234567890abcdef';
    secrets.addKey(`-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`);
    secrets.addSigned('eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWl0');
    expect(secrets.foundIn(Buffer.from(`{"key":"${line}"}`))).toEqual([8]);
    expect(secrets.foundIn(Buffer.from('signature c2lnbmF0dXJlLW9mLWl0'))).toEqual([10]);
    expect(secrets.foundIn(Buffer.from('-----BEGIN PRIVATE KEY-----'))).toEqual([]);
  });

  it('refuses what is too short to be told from chance', () => {
    expect(() => new Secrets().add('short')).toThrow('less than 12');
  });
});
