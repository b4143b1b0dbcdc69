import { describe, expect, it } from 'vitest';
import { servingCertificateFindings } from '../../../src/cli/doctor/served-pair-checks.js';
import {
  createAuthority,
  createSelfSignedCertificate,
  type IssuedCertificate,
  type LeafOptions,
} from '../../support/certificate-authority.js';
import { bundleOf } from '../../authentication/certificates/certificates.js';
import { saidIn } from './levels.js';
import { rsaCertificate } from './weak-certificate.js';

const day = 86_400_000;
const now = Date.now();
const inDays = (days: number): Date => new Date(now + days * day);
const good: LeafOptions = { commonName: 'localhost', usage: 'serverAuth', dnsNames: ['localhost'] };
const subject = '--tls-cert-file /tls.crt';

const root = await createAuthority({ commonName: 'root' });
const middle = await root.issueAuthority({ commonName: 'middle' });
const lower = await middle.issueAuthority({ commonName: 'lower' });

const look = (...certificates: IssuedCertificate[]) =>
  servingCertificateFindings({ subject, pem: bundleOf(...certificates) }, now);
/** All but what is well. */
const faultsIn = (...certificates: IssuedCertificate[]) =>
  saidIn(look(...certificates).filter(({ level }) => level !== 'ok'));

describe('a serving certificate', () => {
  it('that all is well with is told of by what it is', async () => {
    const findings = look(await root.issue(good));
    expect(saidIn(findings)).toEqual([
      expect.stringMatching(
        /^ok: certificate "CN=localhost" is valid for 36[45] days, until \d{4}-\d\d-\d\d$/,
      ),
      'ok: the chain has no intermediates and ends in "CN=localhost": clients must trust its issuer "CN=root"',
    ]);
    expect(new Set(findings.map(({ check, subject: of }) => `${check} ${of}`))).toEqual(
      new Set([`serving-certificate ${subject}`]),
    );
  });

  const faults: readonly (readonly [what: string, options: LeafOptions, said: readonly RegExp[]])[] = [
    ['without extended key usages', { commonName: 'localhost', dnsNames: ['localhost'] }, []],
    ['for an IP address', { commonName: 'x', usage: 'serverAuth', ipAddresses: ['127.0.0.1'] }, []],
    ['for clients, too', { ...good, usage: ['clientAuth', 'serverAuth'] }, []],
    [
      'that expired',
      { ...good, notBefore: inDays(-9), notAfter: inDays(-2) },
      [/^error: certificate "CN=localhost" expired 2 days ago, on \S+: renew it$/],
    ],
    [
      'that expires soon',
      { ...good, notBefore: inDays(-336), notAfter: inDays(29) },
      [/^warning: certificate "CN=localhost" expires in 28 days, on \S+: renew it$/],
    ],
    [
      'of the future',
      { ...good, notBefore: inDays(1) },
      [/^error: certificate "CN=localhost" is not valid before \S+: look at the clock, or wait$/],
    ],
    [
      'without subjectAltName',
      { commonName: 'localhost', usage: 'serverAuth' },
      [/^error: certificate "CN=localhost" has no host in its subjectAltName/],
    ],
    [
      'for clients alone',
      { ...good, usage: 'clientAuth' },
      [/^error: certificate "CN=localhost" is not for server authentication: issue one with .* serverAuth$/],
    ],
    [
      'with several faults',
      { commonName: 'localhost', usage: 'clientAuth', notBefore: inDays(-9), notAfter: inDays(-2) },
      [/ expired /, / has no host /, / is not for server authentication/],
    ],
  ];
  it.each(faults)('%s', async (_, options, said) => {
    expect(faultsIn(await root.issue(options))).toEqual(
      said.map((each): unknown => expect.stringMatching(each)),
    );
  });

  it.each([
    [1024, 'SHA-256', true, ['has an RSA key of 1024 bits, fewer than 2048']],
    [2048, 'SHA-256', false, []],
    [2048, 'SHA-1', true, []],
    [2048, 'SHA-1', false, ['is signed with SHA-1 or another algorithm that clients refuse']],
  ] as const)('of %i bits with %s, self-signed: %s', async (bits, hash, isSelfSigned, weaknesses) => {
    const certificatePem = await rsaCertificate({ bits, hash, isSelfSigned });
    expect(faultsIn({ certificatePem, privateKeyPem: '' })).toEqual(
      weaknesses.map((weakness) => `warning: certificate "CN=rsa" ${weakness}: renew it`),
    );
  });

  it.each(['', 'no PEM', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'that cannot be read is left to the start: %j',
    (pem) => {
      expect(servingCertificateFindings({ subject, pem }, now)).toEqual([]);
    },
  );
});

describe('the chain behind a serving certificate', () => {
  it('may end before a root that clients have', async () => {
    expect(saidIn(look(await lower.issue(good), lower, middle)).at(-1)).toBe(
      'ok: the chain has 2 intermediates in the right order and ends in "CN=middle": clients must trust its issuer "CN=root"',
    );
  });

  it('may bring the root along', async () => {
    expect(saidIn(look(await middle.issue(good), middle, root)).at(-1)).toBe(
      'ok: the chain has 2 intermediates in the right order and ends in "CN=root", which is self-signed: clients must trust it',
    );
  });

  it('of a self-signed certificate is that alone', async () => {
    expect(saidIn(look(await createSelfSignedCertificate(good))).at(-1)).toBe(
      'ok: the chain has no intermediates and ends in "CN=localhost", which is self-signed: clients must trust it',
    );
  });

  it('is in order only if each signed the one before', async () => {
    expect(faultsIn(await lower.issue(good), middle, lower)).toEqual([
      'warning: certificate 2 did not sign "CN=localhost", certificate 3 did: move that one here',
    ]);
    expect(faultsIn(await lower.issue(good), lower, root, middle)).toEqual([
      'warning: certificate 3 did not sign "CN=lower", certificate 4 did: move that one here',
    ]);
    const stranger = await createAuthority({ commonName: 'lower' });
    expect(faultsIn(await lower.issue(good), stranger)).toEqual([
      'warning: certificate 2 did not sign "CN=localhost": replace it by the certificate of its issuer',
    ]);
  });

  it('is broken by what cannot be read', async () => {
    const garbage = { certificatePem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' };
    expect(faultsIn(await lower.issue(good), { ...garbage, privateKeyPem: '' }, lower)).toEqual([
      'error: certificate 2 cannot be parsed: clients get a broken chain',
    ]);
  });

  it('lapses with an intermediate, not with a root', async () => {
    const lapsed = { notBefore: inDays(-9), notAfter: inDays(-2) };
    const oldMiddle = await root.issueAuthority({ commonName: 'old', ...lapsed });
    expect(faultsIn(await oldMiddle.issue(good), oldMiddle)).toEqual([
      expect.stringMatching(/^error: certificate 2, "CN=old", expired 2 days ago/),
    ]);
    const oldRoot = await createAuthority({ commonName: 'old', ...lapsed });
    expect(faultsIn(await oldRoot.issue(good), oldRoot)).toEqual([
      expect.stringMatching(/^warning: certificate 2, "CN=old", expired 2 days ago/),
    ]);
  });

  it('leads over authorities only', async () => {
    const issuer = await root.issueAuthority({ commonName: 'no-ca', isAuthority: false });
    expect(faultsIn(await issuer.issue(good), issuer)).toEqual([
      'warning: certificate 2, "CN=no-ca", may not sign certificates: remove it, or replace it by the issuer',
    ]);
  });
});
