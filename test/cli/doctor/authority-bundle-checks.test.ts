import { describe, expect, it } from 'vitest';
import { authorityBundleFindings } from '../../../src/cli/doctor/authorities.js';
import { createAuthority, type AuthorityOptions } from '../../support/certificate-authority.js';
import { bundleOf } from '../../authentication/certificates/certificates.js';
import { saidIn } from './levels.js';
import { rsaCertificate } from './weak-certificate.js';

const day = 86_400_000;
const now = Date.now();
const inDays = (days: number): Date => new Date(now + days * day);
const lapsed = { notBefore: inDays(-9), notAfter: inDays(-2) };
const nobody = 'error: no certificate in it can verify a client: add the right CA';

const good = await createAuthority({ commonName: 'good' });

const look = (pem: string) =>
  saidIn(authorityBundleFindings({ check: 'client-ca', subject: '--client-ca-file /ca.crt', pem }, now));
const faultsIn = (pem: string) => look(pem).filter((said) => !said.startsWith('ok: '));

describe('a bundle of authorities', () => {
  it('is told of certificate by certificate', async () => {
    const other = await createAuthority({
      commonName: 'other',
      notBefore: inDays(-353),
      notAfter: inDays(12),
    });
    expect(look(bundleOf(good, other))).toEqual([
      expect.stringMatching(/^ok: certificate 1, "CN=good", is valid for 36[45] days, until \S+$/),
      expect.stringMatching(/^warning: certificate 2, "CN=other", expires in 11 days, on \S+: renew it$/),
    ]);
  });

  const rows: readonly (readonly [what: string, options: AuthorityOptions, said: readonly RegExp[]])[] = [
    ['has expired', lapsed, [/expired 2 days ago/]],
    ['is not valid yet', { notBefore: inDays(2) }, [/is not valid before/]],
    ['is none', { isAuthority: false }, [/is not a CA: add the CA/]],
    [
      'may not sign',
      { maySignCertificates: false },
      [/may not sign certificates: its keyUsage lacks keyCertSign$/],
    ],
    ['is for servers', { usage: 'serverAuth' }, [/is not for client authentication/]],
  ];
  it.each(rows)('vouches for nobody with one that %s', async (_, options, said) => {
    const only = await createAuthority({ commonName: 'only', ...options });
    const expected = said.map((each): unknown =>
      expect.stringMatching(new RegExp(`^warning: certificate 1, "CN=only", ${each.source}`)),
    );
    expect(faultsIn(bundleOf(only))).toEqual([...expected, nobody]);
    // Beside a good one it does no harm.
    expect(faultsIn(bundleOf(only, good))).toEqual(expected);
  });

  it('is for clients and servers alike', async () => {
    const both = await createAuthority({ commonName: 'both', usage: ['serverAuth', 'clientAuth'] });
    expect(faultsIn(bundleOf(both))).toEqual([]);
  });

  it('names one that is given twice', async () => {
    const other = await createAuthority({ commonName: 'other' });
    expect(faultsIn(bundleOf(good, other, good))).toEqual([
      'warning: certificate 3, "CN=good", is the same as certificate 1: remove one of them',
    ]);
  });

  it('minds weak keys, but not how an authority was signed', async () => {
    expect(faultsIn(await rsaCertificate({ bits: 1024, hash: 'SHA-1', isSelfSigned: true }))).toEqual([
      'warning: certificate 1, "CN=rsa", has an RSA key of 1024 bits, fewer than 2048: renew it',
    ]);
  });

  it.each(['', 'garbage'])('without certificates is left to the start: %j', (pem) => {
    expect(look(pem)).toEqual([]);
  });
});
