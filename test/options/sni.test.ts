import fc from 'fast-check';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { valueOf } from '../../src/options/option.js';
import { tls, type SniPair } from '../../src/options/tls-options.js';
import { UsageError } from '../../src/options/usage-error.js';
import { isDomainPattern } from '../../src/server/serving-certificates.js';

const { tlsSniCertKey } = tls.options;
const parseSniPair = (text: string): SniPair | undefined =>
  valueOf(tlsSniCertKey, { tlsSniCertKey: [text] })[0];

describe('--tls-sni-cert-key', () => {
  it.each([
    ['a.crt,a.key', { certificateFile: 'a.crt', keyFile: 'a.key' }],
    [' a.crt , a.key ', { certificateFile: 'a.crt', keyFile: 'a.key' }],
    [
      'a.crt,a.key:*.Example.com, example.com',
      { certificateFile: 'a.crt', keyFile: 'a.key', patterns: ['*.example.com', 'example.com'] },
    ],
    [
      'a.crt,a.key:192.0.2.1,2001:db8::1',
      { certificateFile: 'a.crt', keyFile: 'a.key', patterns: ['192.0.2.1', '2001:db8::1'] },
    ],
    ['a.crt,a.key:*', { certificateFile: 'a.crt', keyFile: 'a.key', patterns: ['*'] }],
  ])('%s', (text, pair) => {
    expect(parseSniPair(text)).toEqual(pair);
  });

  it.each(['', 'a.crt', 'a.crt,', ',a.key', 'a.crt,a.key,b.key', ':a', 'a.crt,a.key:', 'a.crt,a.key:a,,b'])(
    'refuses %j',
    (text) => {
      expect(() => parseSniPair(text)).toThrow(UsageError);
      expect(() => parseSniPair(text)).toThrow(/^--tls-sni-cert-key: /);
    },
  );

  it('reads any text as a whole pair, or refuses it in one short line', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('a', ',', ':', '*', '.', ' ', '\n', '1') }),
    );
    fc.assert(
      fc.property(text, (value) => {
        try {
          const { certificateFile, keyFile, patterns = [] } = parseSniPair(value) ?? {};
          expect(certificateFile).not.toMatch(/^$|[,:]/);
          expect(keyFile).not.toMatch(/^$|[,:]/);
          for (const pattern of patterns) expect(isIP(pattern) !== 0 || isDomainPattern(pattern)).toBe(true);
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          expect(error.message).toMatch(/^--tls-sni-cert-key: [^\n]{1,500}$/);
        }
      }),
    );
  });

  it('says where its files are, for a configuration file elsewhere', () => {
    const below = (file: string): string => `/etc/${file}`;
    expect(tlsSniCertKey.replacePaths?.('a.crt,a.key', below)).toBe('/etc/a.crt,/etc/a.key');
    expect(tlsSniCertKey.replacePaths?.('a.crt,a.key:::1,b', below)).toBe('/etc/a.crt,/etc/a.key:::1,b');
  });
});
