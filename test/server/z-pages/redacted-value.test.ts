import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startOptions } from '../../../src/options/start-topics.js';
import { shownValue, withoutUrlSecrets } from '../../../src/server/z-pages/shown-text.js';

describe('of a URL', () => {
  it.each([
    ['http://127.0.0.1:8080/metrics', 'http://127.0.0.1:8080/metrics'],
    ['http://u:p@host/metrics', 'http://CLASSIFIED@host/metrics'],
    ['http://u@host', 'http://CLASSIFIED@host'],
    ['HTTPS://u:p@host', 'HTTPS://CLASSIFIED@host'],
    ['http://u:p@q@host', 'http://CLASSIFIED@host'],
    ['http://u:p/q@host/x', 'http://CLASSIFIED@host/x'],
    ['http://u:p,q@host', 'http://CLASSIFIED@host'],
    ['http://host/a@b', 'http://host/a@b'],
    ['http://host/?token=x&y', 'http://host/?CLASSIFIED'],
    ['http://host?token=u@x', 'http://host?CLASSIFIED'],
    ['http://host/#x', 'http://host/#CLASSIFIED'],
    ['a=http://u:p@x,b=http://u:p@y/?q,z', 'a=http://CLASSIFIED@x,b=http://CLASSIFIED@y/?CLASSIFIED'],
    ['/metrics/a=http://u:p@x,/metrics/b=http://y', '/metrics/a=http://CLASSIFIED@x,/metrics/b=http://y'],
    ['no URL: a@b:c?d', 'no URL: a@b:c?d'],
  ])('%s is shown as %s', (text, expected) => {
    expect(withoutUrlSecrets(text)).toBe(expected);
  });

  it('neither password nor query is shown, whatever they are', () => {
    const secret = fc
      .stringMatching(/^[A-Za-z0-9!$&'()*+,;=._~%:@/-]{0,20}$/)
      .map((text) => `${text}SECRET${text}`);
    const around = fc.constantFrom('', 'name=', 'http://first,', 'b=http://first,name=');
    fc.assert(
      fc.property(around, secret, secret, fc.boolean(), (before, password, query, hasQuery) => {
        // Behind such text another URL begins.
        fc.pre(!/,[^,=]*=?[a-z][a-z0-9+.-]*:\/\//i.test(`${password},${query}`));
        const url = `${before}https://user:${password}@host/path${hasQuery ? `?${query}` : ''}`;
        expect(withoutUrlSecrets(url)).not.toContain('SECRET');
      }),
    );
  });

  it('is found in time that grows with the text alone', () => {
    for (const part of ['a', 'a.', 'http:', 'http://,', ',a=', 'x://y@', '://']) {
      const started = performance.now();
      withoutUrlSecrets(part.repeat(20_000));
      expect(performance.now() - started).toBeLessThan(1000);
    }
  });
});

describe('of a flag', () => {
  it.each(['password', '--oidc-client-secret', 'bearer-token', 'tls-key-passphrase', 'api-key', 'token'])(
    'named %s no value is shown',
    (name) => {
      expect(shownValue(name, 'hunter2')).toBe('CLASSIFIED');
      expect(shownValue(name, '')).toBe('');
    },
  );

  it('that is there now, the value is shown: files and names', () => {
    for (const { name } of startOptions) expect(shownValue(name, 'x')).toBe('x');
  });
});
