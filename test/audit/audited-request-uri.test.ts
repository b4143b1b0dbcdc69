import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { auditedRequestUri } from '../../src/audit/audit-line.js';
import { anyCharacter } from '../support/any-character.js';

describe('the requestURI of an audit event', () => {
  it.each([
    ['/metrics', '/metrics'],
    ['/metrics?name[]=up&timeout=5', '/metrics?name[]=up&timeout=5'],
    ['/readyz?verbose&exclude=ping', '/readyz?verbose&exclude=ping'],
    ['/clusters/root%3aorg/metrics?a=%20b', '/clusters/root%3aorg/metrics?a=%20b'],
    ['https://alice:hunter2@example.com/metrics?a=b', '/metrics?a=b'],
    ['*', '*'],
    ['/caf\xc3\xa9 "?\x00', '/caf%C3%A9%20"?%00'],
    ['/\u{1f600}', '/%F0%9F%98%80'],
  ])('%j is %j', (target, uri) => {
    expect(auditedRequestUri(target)).toBe(uri);
  });

  it.each([
    ['/metrics?access_token=s3cret', '/metrics?access_token=REDACTED'],
    ['/metrics?a=b&Api-Key=s3cret;c=d', '/metrics?a=b&Api-Key=REDACTED;c=d'],
    ['/metrics?%74oken=s3cret', '/metrics?%74oken=REDACTED'],
    ['/metrics?%2574oken=s3cret', '/metrics?%2574oken=REDACTED'],
    ['/metrics?%zz=s3cret', '/metrics?%zz=REDACTED'],
    ['/metrics?client_secret%3ds3cret', '/metrics?client_secret=REDACTED'],
    ['/metrics?a=b%26token=s3cret', '/metrics?a=b%26token=REDACTED'],
    ['/metrics%3faccess_token=s3cret', '/metrics%3faccess_token=REDACTED'],
    ['/%zz?X-Amz-Signature=s3cret', '/%zz?X-Amz-Signature=REDACTED'],
    ['*?access_token=s3cret', '*?access_token=REDACTED'],
    ['/metrics#access_token=s3cret', '/metrics'],
    ['/metrics?a=b%23s3cret', '/metrics?a=b'],
    ['/metrics?password=', '/metrics?password='],
    ['/metrics?q=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbg', '/metrics?q=REDACTED'],
    ['/metrics?eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbg', '/metrics?REDACTED'],
    [`/metrics?q=${'s3cret'.repeat(30)}`, '/metrics?q=REDACTED'],
  ])('%j says nothing that may be a secret: %j', (target, uri) => {
    expect(auditedRequestUri(target)).toBe(uri);
  });

  it('is looked through no further than it is shown', () => {
    const pieces = vi.spyOn(String.prototype, 'slice');
    try {
      const uri = auditedRequestUri(`/metrics?${'a=%41&'.repeat(5000)}token=s3cret`);
      expect(uri).toBe(`/metrics?${'a=%41&'.repeat(200)}`.slice(0, 1024) + '...TRUNCATED');
      // Three for each parameter.
      expect(pieces.mock.calls.length).toBeLessThan(1000);
    } finally {
      pieces.mockRestore();
    }
    const encoded = auditedRequestUri(`/${'\xe9'.repeat(1023)}`);
    expect(auditedRequestUri(`/${'\xe9'.repeat(30_000)}`)).toBe(encoded);
  });

  it('is bounded, ASCII without blanks, and holds no value of a secret name, whatever is asked for', () => {
    const part = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.constantFrom('%', '&', ';', '%26', '#', '=', '?'),
    );
    fc.assert(
      fc.property(
        fc.array(part),
        fc.array(part),
        fc.constantFrom('token', 'Password', 'x-secret'),
        (before, after, name) => {
          const target = `/${before.join('')}?a&${name}=s3cret-value&${after.join('')}`;
          const uri = auditedRequestUri(target);
          expect(uri).not.toContain('s3cret-value');
          expect(uri).toMatch(/^[\x21-\x7e]{1,1036}$/);
        },
      ),
    );
    expect(auditedRequestUri(`/${'a'.repeat(5000)}`)).toBe(`/${'a'.repeat(1023)}...TRUNCATED`);
  });
});
