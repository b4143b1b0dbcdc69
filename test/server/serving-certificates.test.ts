import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ServingCertificates,
  type KeyPair,
  isDomainPattern,
  namesInCertificate,
} from '../../src/server/serving-certificates.js';
import { createAuthority, type LeafOptions } from '../support/certificate-authority.js';
import { words } from '../support/words.js';

const authority = await createAuthority({ commonName: 'ca' });

async function pairOf(options: LeafOptions): Promise<KeyPair> {
  const { certificatePem, privateKeyPem } = await authority.issue(options);
  return { certificate: certificatePem, privateKey: privateKeyPem };
}

describe('the names in a certificate', () => {
  it.each<[string, LeafOptions, readonly string[]]>([
    ['a CN that is a domain', { commonName: 'a.example' }, ['a.example']],
    ['a CN with a wildcard', { commonName: '*.a.example' }, ['*.a.example']],
    ['no CN that is none', { commonName: 'front proxy' }, []],
    ['no CN that is an address', { commonName: '192.0.2.1' }, []],
    ['DNS names', { dnsNames: ['a.example', '*.b.example'] }, ['a.example', '*.b.example']],
    ['no addresses', { ipAddresses: ['192.0.2.1'], dnsNames: ['a.example'] }, ['a.example']],
    ['none', {}, []],
  ])('are %s', async (_, options, names) => {
    expect(namesInCertificate((await pairOf(options)).certificate)).toEqual(names);
  });

  it.each(['a', '*', '*.a', 'a-b.c_d.example', 'xn--bcher-kva.example', 'A.Example'])('may be %s', (name) => {
    expect(isDomainPattern(name)).toBe(true);
  });

  it.each([...words('*a a.* *.*.a *. .a a. a..b -a a,b 192.0.2.1 ::1 é.example'), '', 'a b'])(
    'may not be %j',
    (name) => {
      expect(isDomainPattern(name)).toBe(false);
    },
  );
});

describe('the pair that is served', () => {
  const preset: KeyPair = { certificate: 'preset', privateKey: '' };
  const pair = (certificate: string): KeyPair => ({ certificate, privateKey: '' });
  const [one, two, three] = [pair('one'), pair('two'), pair('three')];
  const choice = new ServingCertificates({ current: preset }, [
    { current: one, patterns: ['*.example', '192.0.2.1', '2001:db8:0::1'] },
    { current: two, patterns: ['a.example', 'b.example', '*'] },
    { current: three, patterns: ['b.example', '*.example', '::ffff:192.0.2.2'] },
  ]);

  it.each([
    ['a.example', two, 'a name comes before a wildcard'],
    ['A.EXAMPLE', two, 'letters of both cases are the same'],
    ['b.example', two, 'an earlier pair comes before a later one'],
    ['c.example', one, 'and so it is with wildcards'],
    ['d.c.example', preset, 'a wildcard is one label'],
    ['localhost', two, '* is any name of one label'],
    ['example.org', preset, 'the default for whoever matches none'],
    ['', two, 'whatever is sent'],
  ])('for %j', (name, expected) => {
    expect(choice.ofServerName(name)).toBe(expected);
  });

  it.each([
    ['192.0.2.1', one],
    ['::ffff:192.0.2.1', one],
    ['192.0.2.2', three],
    ['2001:db8::1', one],
    ['2001:0DB8:0:0::1', one],
    ['192.0.2.3', preset],
    ['fe80::1%eth0', preset],
    [undefined, preset],
  ])('at the address %s, to whoever sends no name', (address, expected) => {
    expect(choice.ofAddress(address)).toBe(expected);
  });

  it('is one whose pattern it is before one whose certificate names it', async () => {
    const byCertificate = await pairOf({ dnsNames: ['a.example', 'b.example'] });
    const certificates = new ServingCertificates({ current: preset }, [
      { current: byCertificate },
      { current: two, patterns: ['a.example'] },
    ]);
    expect(certificates.ofServerName('a.example')).toBe(two);
    expect(certificates.ofServerName('b.example')).toBe(byCertificate);
  });

  it('goes by the names that the certificate has now', async () => {
    let current = await pairOf({ dnsNames: ['a.example'] });
    const certificates = new ServingCertificates({ current: preset }, [
      {
        get current() {
          return current;
        },
      },
    ]);
    expect(certificates.ofServerName('a.example')).toBe(current);
    current = await pairOf({ dnsNames: ['b.example'] });
    expect(certificates.ofServerName('a.example')).toBe(preset);
    expect(certificates.ofServerName('b.example')).toBe(current);
  });

  it('is never one whose certificate cannot be read', () => {
    const certificates = new ServingCertificates({ current: preset }, [{ current: one }]);
    expect(certificates.ofServerName('one')).toBe(preset);
  });

  it('is found for every name and every address', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect([preset, one, two, three]).toContain(choice.ofServerName(text));
        expect([preset, one, two, three]).toContain(choice.ofAddress(text));
      }),
    );
  });
});
