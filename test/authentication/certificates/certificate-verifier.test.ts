import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { createHash, createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { PeerCertificates } from '../../../src/authentication/authenticator.js';
import { createCertificateVerifier } from '../../../src/authentication/certificates/certificate-verifier.js';
import {
  createAuthority,
  createSelfSignedCertificate,
  type Authority,
  type AuthorityOptions,
  type IssuedCertificate,
  type LeafOptions,
} from '../../support/certificate-authority.js';
import { x509 as library } from '../../../src/pki/x509.js';
import { bundleOf, derOf, presenting } from './certificates.js';
import { CertificateBundleError } from '../../../src/authentication/authentication-errors.js';

/** Called whenever a certificate is read in full. */
const parsed = vi.fn<() => void>();
const { X509Certificate: Parsed } = library();
Object.assign(library(), {
  X509Certificate: new Proxy(Parsed, {
    construct(target, parameters) {
      parsed();
      return Reflect.construct(target, parameters);
    },
  }),
});

const hour = 3_600_000;
const alice: LeafOptions = { commonName: 'alice', organizations: ['monitoring'], usage: 'clientAuth' };
const unknown = 'certificate is not signed by a known authority';
const lapsed = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2021-01-01T00:00:00Z') };

const root = await createAuthority({ commonName: 'root' });

const refusedFor = (reason: unknown) => ({ kind: 'refused', reason });

function verifierFor(...authorities: IssuedCertificate[]) {
  return createCertificateVerifier({ authorities: bundleOf(...authorities) });
}

describe('a leaf signed by a known authority', () => {
  it('is verified, with its names and the digest of its DER', async () => {
    const leaf = await root.issue(alice);
    expect(verifierFor(root).verify(presenting(leaf))).toEqual({
      kind: 'verified',
      commonName: 'alice',
      organizations: ['monitoring'],
      sha256Hex: createHash('sha256').update(derOf(leaf)).digest('hex'),
    });
  });

  it('gives the same frozen object for every request and connection', async () => {
    const leaf = await root.issue(alice);
    const verifier = verifierFor(root);
    const peer = presenting(leaf);
    const first = verifier.verify(peer);
    expect(verifier.verify(peer)).toBe(first);
    expect(verifier.verify(presenting(leaf))).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
  });

  const accepted: [string, Partial<LeafOptions>][] = [
    ['with clientAuth among its usages', { usage: ['serverAuth', 'clientAuth'] }],
    ['with alternative names', { dnsNames: ['a.example'], ipAddresses: ['192.0.2.1', '2001:db8::1'] }],
    [
      'with alternative names of every type',
      {
        extensions: [
          new x509.SubjectAlternativeNameExtension([
            { type: 'url', value: 'spiffe://example/alice' },
            { type: 'email', value: 'alice@example.com' },
            { type: 'dn', value: 'CN=alice' },
            { type: 'upn', value: 'alice@example.com' },
            { type: 'id', value: '1.2.3.4' },
          ]),
        ],
      },
    ],
    ['with an unknown extension that is not critical', { extensions: [unknownExtension(false)] }],
  ];
  it.each(accepted)('is verified %s', async (_, options) => {
    const leaf = await root.issue({ ...alice, ...options });
    expect(verifierFor(root).verify(presenting(leaf))).toMatchObject({
      kind: 'verified',
      commonName: 'alice',
    });
  });

  it.each([
    ['without extended key usages', []],
    ['for any usage', [new x509.ExtendedKeyUsageExtension(['2.5.29.37.0'])]],
  ])('is verified %s', async (_, extensions) => {
    const leaf = await root.issue({ commonName: 'alice', extensions });
    expect(verifierFor(root).verify(presenting(leaf))).toMatchObject({ kind: 'verified' });
  });

  const notYet = { notBefore: new Date('2048-01-01T00:00:00Z'), notAfter: new Date('2060-01-01T00:00:00Z') };
  const manyNames = Array.from({ length: 1000 }, (_, index) => `${index}.of-a-very-long-name.example`);
  const twice = [new x509.BasicConstraintsExtension(false)];
  /** The reason, behind `certificate `. */
  const refused: [string, Partial<LeafOptions>, string][] = [
    ['for servers only', { usage: 'serverAuth' }, 'is not for client authentication'],
    [
      'with an unknown critical extension',
      { extensions: [unknownExtension(true)] },
      'has the unknown critical extension 1.2.3.4.5',
    ],
    ['with an extension twice', { extensions: twice }, 'cannot be read'],
    ['larger than any real one', { dnsNames: manyNames }, 'cannot be read'],
    ['whose time is over', lapsed, 'has expired on 2021-01-01T00:00:00.000Z'],
    ['whose time has not come', notYet, 'is not valid before 2048-01-01T00:00:00.000Z'],
  ];
  it.each(refused)('is refused %s', async (_, options, reason) => {
    const leaf = await root.issue({ ...alice, ...options });
    expect(verifierFor(root).verify(presenting(leaf))).toEqual(refusedFor(`certificate ${reason}`));
  });

  it.each(['SHA-1', 'SHA-256'])('counts only if the digest is strong: %s', async (hash) => {
    const algorithm = {
      name: 'RSASSA-PKCS1-v1_5',
      hash,
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const authority = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=rsa',
      keys,
      extensions: [new x509.BasicConstraintsExtension(true)],
    });
    const leaf = await x509.X509CertificateGenerator.create({
      subject: 'CN=alice',
      issuer: 'CN=rsa',
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
    });
    const verifier = createCertificateVerifier({ authorities: authority.toString('pem') });
    expect(verifier.verify({ chain: [Buffer.from(leaf.rawData)] })).toMatchObject(
      hash === 'SHA-1'
        ? refusedFor('certificate "CN=alice" is signed with a weak or unknown algorithm')
        : { kind: 'verified' },
    );
  });
});

describe('names', () => {
  const subjects: [string, x509.Name, { commonName: string; organizations: string[] }][] = [
    ['nothing', new x509.Name([]), { commonName: '', organizations: [] }],
    [
      'the last of several CNs',
      new x509.Name([{ CN: ['first'] }, { O: ['a'] }, { CN: ['last'] }]),
      { commonName: 'last', organizations: ['a'] },
    ],
    [
      'multi-valued RDNs',
      new x509.Name([{ O: ['z'] }, { O: ['y', 'x'], CN: ['alice'] }, { O: ['w'] }]),
      { commonName: 'alice', organizations: ['z', 'y', 'x', 'w'] },
    ],
    [
      'other string types',
      new x509.Name([
        { O: [{ bmpString: 'Straße' }] },
        { O: [{ universalString: 'uni' }] },
        { CN: [{ printableString: 'p' }] },
      ]),
      { commonName: 'p', organizations: ['Straße', 'uni'] },
    ],
    [
      'numeric, T.61 and IA5 strings',
      new x509.Name('O=#12023132,O=#1401e9,CN=#160161'),
      { commonName: 'a', organizations: ['12', 'é'] },
    ],
    [
      'what looks like an encoding or an escape',
      new x509.Name([
        { O: [{ utf8String: '#0c0161' }] },
        { CN: [{ utf8String: 'a\nO=system:masters, "\\' }] },
      ]),
      { commonName: 'a\nO=system:masters, "\\', organizations: ['#0c0161'] },
    ],
    [
      'a NUL and what follows it',
      new x509.Name([{ CN: [{ utf8String: 'admin\0.example' }] }]),
      { commonName: 'admin\0.example', organizations: [] },
    ],
    [
      'what an object has of its own',
      new x509.Name([{ O: [{ utf8String: '__proto__' }] }, { '1.2.3': [{ utf8String: 'CN' }] }]),
      { commonName: '', organizations: ['__proto__'] },
    ],
  ];
  it.each(subjects)('are read as they stand: %s', async (_, subject, expected) => {
    const leaf = await root.issue({ subject, usage: 'clientAuth' });
    expect(verifierFor(root).verify(presenting(leaf))).toMatchObject({ kind: 'verified', ...expected });
  });

  it('that are not UTF-8 are refused', async () => {
    const leaf = derOf(await createSelfSignedCertificate({ commonName: 'alice', usage: 'clientAuth' }));
    // Both the subject and the issuer.
    for (let at = leaf.indexOf('alice'); at >= 0; at = leaf.indexOf('alice', at + 1)) leaf[at] = 0xff;
    expect(() => createCertificateVerifier({ authorities: pemOf(leaf) })).toThrow(CertificateBundleError);
  });
});

describe('time', () => {
  const [start, end] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-01-02T00:00:00Z')];
  const lasting = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2048-01-01T00:00:00Z') };

  it('is looked at for every request on a connection', async () => {
    const authority = await createAuthority({ commonName: 'lasting', ...lasting });
    let now = 0;
    const verifier = createCertificateVerifier({ authorities: authority.certificatePem, now: () => now });
    const peer = presenting(await authority.issue({ ...alice, notBefore: start, notAfter: end }));
    const at = (time: number) => {
      now = time;
      return verifier.verify(peer);
    };
    expect(at(start.getTime() - 1)).toEqual(
      refusedFor('certificate is not valid before 2030-01-01T00:00:00.000Z'),
    );
    expect(at(start.getTime()).kind).toBe('verified');
    expect(at(end.getTime()).kind).toBe('verified');
    expect(at(end.getTime() + 1)).toEqual(refusedFor('certificate has expired on 2030-01-02T00:00:00.000Z'));
    expect(verifier.verify({ ...peer })).toEqual(at(end.getTime() + 1));
  });

  it('is that of the chain which is valid, when there are two', async () => {
    const authority = await createAuthority({ commonName: 'lasting', ...lasting });
    const names = { commonName: 'intermediate' };
    const intermediate = await authority.issueAuthority({ ...names, ...lasting, notAfter: start });
    const leaf = await intermediate.issue({ ...alice, ...lasting });
    let now = start.getTime();
    const authorities = bundleOf(authority, await renewed(intermediate, lasting));
    const verifier = createCertificateVerifier({ authorities, now: () => now });
    const peer = presenting(leaf, intermediate);
    expect(verifier.verify(peer).kind).toBe('verified');
    now += hour;
    expect(verifier.verify(peer).kind).toBe('verified');
  });
});

describe('intermediate authorities', () => {
  async function below(options: Partial<AuthorityOptions>) {
    const intermediate = await root.issueAuthority({ commonName: 'intermediate', ...options });
    return { intermediate, leaf: await intermediate.issue(alice) };
  }

  it('lead from the leaf to a known authority', async () => {
    const { intermediate, leaf } = await below({});
    expect(verifierFor(root).verify(presenting(leaf, intermediate))).toMatchObject({ kind: 'verified' });
  });

  it('are found in any order, among others, and with the root itself', async () => {
    const first = await root.issueAuthority({ commonName: 'first' });
    const second = await first.issueAuthority({ commonName: 'second' });
    const stranger = await createAuthority({ commonName: 'stranger' });
    const leaf = await second.issue(alice);
    const peer = presenting(leaf, root, stranger, first, second, leaf);
    expect(verifierFor(root).verify(peer)).toMatchObject({ kind: 'verified' });
  });

  it('have to be presented', async () => {
    const { leaf } = await below({});
    expect(verifierFor(root).verify(presenting(leaf))).toEqual(refusedFor(unknown));
  });

  it('are remembered for a resumed session that brings the leaf alone', async () => {
    const { intermediate, leaf } = await below({});
    const verifier = verifierFor(root);
    const full = verifier.verify(presenting(leaf, intermediate));
    expect(verifier.verify(presenting(leaf))).toBe(full);
  });

  it('are looked for again when the leaf alone was refused before', async () => {
    const { intermediate, leaf } = await below({});
    const verifier = verifierFor(root);
    expect(verifier.verify(presenting(leaf)).kind).toBe('refused');
    expect(verifier.verify(presenting(leaf, intermediate)).kind).toBe('verified');
  });

  it('that are remembered expire all the same', async () => {
    const { intermediate, leaf } = await below({});
    let now = Date.now();
    const verifier = createCertificateVerifier({ authorities: root.certificatePem, now: () => now });
    expect(verifier.verify(presenting(leaf, intermediate)).kind).toBe('verified');
    now += 400 * 24 * hour;
    expect(verifier.verify(presenting(leaf))).toEqual(
      refusedFor(expect.stringContaining('certificate has expired on')),
    );
  });

  it('may themselves be the ones that are known, whatever becomes of those above them', async () => {
    const past = await createAuthority({ commonName: 'past', notAfter: new Date(Date.now() - hour) });
    for (const top of [root, past]) {
      const intermediate = await top.issueAuthority({ commonName: 'intermediate' });
      const sibling = await top.issueAuthority({ commonName: 'sibling' });
      const leaf = await intermediate.issue(alice);
      for (const presented of [[], [intermediate], [intermediate, top]]) {
        const peer = () => presenting(leaf, ...presented);
        expect(verifierFor(intermediate).verify(peer())).toMatchObject({ kind: 'verified' });
        expect(verifierFor(past, intermediate).verify(peer())).toMatchObject({ kind: 'verified' });
        expect(verifierFor(sibling).verify(peer())).toEqual(refusedFor(unknown));
      }
    }
  });

  it('may allow clientAuth', async () => {
    const { intermediate, leaf } = await below({ usage: ['serverAuth', 'clientAuth'], pathLength: 0 });
    expect(verifierFor(root).verify(presenting(leaf, intermediate))).toMatchObject({ kind: 'verified' });
  });

  const constrained = 'has name constraints, which are not supported';
  /** The reason, behind the authority's name. */
  const faults: [string, Partial<AuthorityOptions>, string][] = [
    ['that is a leaf', { isAuthority: false }, 'is not a certificate authority'],
    ['that may not sign certificates', { maySignCertificates: false }, 'may not sign certificates'],
    ['for servers', { usage: 'serverAuth' }, 'is not for client authentication'],
    [
      'with an unknown critical extension',
      { extensions: [unknownExtension(true)] },
      'has the unknown critical extension 1.2.3.4.5',
    ],
    ['with name constraints', { extensions: [nameConstraints(true)] }, constrained],
    ['with name constraints that are not critical', { extensions: [nameConstraints(false)] }, constrained],
    ['that has expired', lapsed, 'has expired on 2021-01-01T00:00:00.000Z'],
  ];
  it.each(faults)('are refused %s', async (_, options, reason) => {
    const { intermediate, leaf } = await below(options);
    expect(verifierFor(root).verify(presenting(leaf, intermediate))).toEqual(
      refusedFor(`authority "CN=intermediate" ${reason}`),
    );
  });

  it('are refused beyond the path length of one above', async () => {
    const strict = await root.issueAuthority({ commonName: 'strict', pathLength: 0 });
    const beyond = await strict.issueAuthority({ commonName: 'beyond' });
    const leaf = await beyond.issue(alice);
    expect(verifierFor(root).verify(presenting(leaf, beyond, strict))).toEqual(
      refusedFor('authority "CN=strict" allows at most 0 intermediates below it'),
    );
  });

  it('do not lend their name to others', async () => {
    const { intermediate } = await below({});
    const impostor = await createAuthority({ commonName: 'intermediate' });
    const leaf = await impostor.issue(alice);
    expect(verifierFor(root).verify(presenting(leaf, intermediate))).toEqual(refusedFor(unknown));
    expect(verifierFor(root).verify(presenting(leaf, intermediate, impostor))).toEqual(refusedFor(unknown));
  });

  it('do not hide a good one of the same name', async () => {
    const good = await root.issueAuthority({ commonName: 'intermediate' });
    const expired = await root.issueAuthority({ commonName: 'intermediate', ...lapsed });
    const leaf = await good.issue(alice);
    expect(verifierFor(root).verify(presenting(leaf, expired, good))).toMatchObject({ kind: 'verified' });
  });
});

describe('chains', () => {
  async function tower(height: number) {
    const authorities: Authority[] = [];
    let top = root;
    for (let floor = 0; floor < height; floor += 1) {
      top = await top.issueAuthority({ commonName: `floor ${floor}` });
      authorities.unshift(top);
    }
    return presenting(await top.issue(alice), ...authorities);
  }

  it.each([4, 5])('are at most six certificates long: %i intermediates', async (height) => {
    const { kind } = verifierFor(root).verify(await tower(height));
    expect(kind).toBe(height === 4 ? 'verified' : 'refused');
  });

  it('of more than eight certificates are not looked at', async () => {
    expect(verifierFor(root).verify(await tower(8))).toEqual(
      refusedFor('more than 8 certificates presented'),
    );
  });

  it('are found among many authorities', async () => {
    const others = await Promise.all(
      Array.from({ length: 150 }, (_, index) => createAuthority({ commonName: `other ${index}` })),
    );
    expect(verifierFor(...others, root).verify(await tower(4)).kind).toBe('verified');
  });

  it('in a maze of authorities that all have one name are given up', async () => {
    const maze = await Promise.all(Array.from({ length: 7 }, () => createAuthority({ commonName: 'root' })));
    const leaf = await (await createAuthority({ commonName: 'root' })).issue(alice);
    const started = performance.now();
    expect(verifierFor(root).verify(presenting(leaf, ...maze))).toEqual(refusedFor(unknown));
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('an authority', () => {
  it('of the same name with another key is a stranger', async () => {
    const other = await createAuthority({ commonName: 'root' });
    expect(verifierFor(root).verify(presenting(await other.issue(alice)))).toEqual(refusedFor(unknown));
  });

  it('whose key was renewed is known by both', async () => {
    const renewed = await createAuthority({ commonName: 'root' });
    const verifier = verifierFor(root, renewed);
    expect(verifier.verify(presenting(await root.issue(alice))).kind).toBe('verified');
    expect(verifier.verify(presenting(await renewed.issue(alice))).kind).toBe('verified');
  });

  it('that has expired signs nothing any more', async () => {
    const old = await createAuthority({ commonName: 'old', ...lapsed });
    expect(verifierFor(old).verify(presenting(await old.issue(alice)))).toEqual(
      refusedFor('authority "CN=old" has expired on 2021-01-01T00:00:00.000Z'),
    );
  });

  it('for servers vouches for no client', async () => {
    const authority = await createAuthority({ commonName: 'servers', usage: 'serverAuth' });
    expect(verifierFor(authority).verify(presenting(await authority.issue(alice)))).toEqual(
      refusedFor('authority "CN=servers" is not for client authentication'),
    );
  });

  it('may be a leaf that is trusted itself, as in Go', async () => {
    const self = await createSelfSignedCertificate(alice);
    const other = await createSelfSignedCertificate(alice);
    expect(verifierFor(self).verify(presenting(self))).toMatchObject({ kind: 'verified' });
    expect(verifierFor(self).verify(presenting(other)).kind).toBe('refused');
  });
});

describe('a bundle of authorities', () => {
  it('may hold comments, other blocks, and a certificate twice', async () => {
    const authorities = `# root\r\n${root.certificatePem.replaceAll('\n', '\r\n')}\n${root.privateKeyPem}${root.certificatePem}`;
    const verifier = createCertificateVerifier({ authorities: Buffer.from(authorities) });
    expect(verifier.verify(presenting(await root.issue(alice))).kind).toBe('verified');
  });

  const broken: [string, () => string, string][] = [
    ['nothing', () => '', 'the PEM bundle holds no certificate'],
    ['a key alone', () => root.privateKeyPem, 'the PEM bundle holds no certificate'],
    [
      'a certificate without an end',
      () => root.certificatePem + root.certificatePem.slice(0, 200),
      'certificate 2 of the PEM bundle has no end',
    ],
    [
      'a certificate that is cut',
      () => root.certificatePem + pemOf(derOf(root).subarray(0, 100)),
      'certificate 2 of the PEM bundle cannot be read',
    ],
    [
      'a certificate with something behind it',
      () => pemOf(Buffer.concat([derOf(root), Buffer.from([0])])),
      'certificate 1 of the PEM bundle cannot be read',
    ],
  ];
  it.each(broken)('is refused with %s', (_, authorities, message) => {
    expect(() => createCertificateVerifier({ authorities: authorities() })).toThrow(
      expect.objectContaining({ name: 'CertificateBundleError', code: 'ERR_CERTIFICATE_BUNDLE', message }),
    );
  });
});

describe('hostile bytes', () => {
  const verifier = verifierFor(root);
  const verify = (der: Uint8Array) => verifier.verify({ chain: [der] });

  it('are refused, never thrown at', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (der) => verify(der).kind === 'refused'));
  });

  it('do not verify with any bit of a good leaf flipped', async () => {
    const leaf = derOf(await root.issue({ ...alice, dnsNames: ['a.example'] }));
    for (let bit = 0; bit < leaf.length * 8; bit += 1) {
      const flipped = Buffer.from(leaf);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      if (verifier.verify({ chain: [flipped] }).kind !== 'refused') expect.fail(`bit ${bit}`);
    }
    expect(verifier.verify({ chain: [leaf] }).kind).toBe('verified');
  });

  it('do not verify cut, or with something behind', async () => {
    const leaf = derOf(await root.issue(alice));
    fc.assert(
      fc.property(
        fc.nat({ max: leaf.length - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (length, tail) => {
          expect(verify(leaf.subarray(0, length)).kind).toBe('refused');
          expect(verify(Buffer.concat([leaf, tail])).kind).toBe('refused');
        },
      ),
    );
  });

  it('in the place of intermediates are passed over', async () => {
    const leaf = derOf(await root.issue(alice));
    fc.assert(
      fc.property(fc.array(fc.uint8Array(), { maxLength: 7 }), (garbage) => {
        const peer: PeerCertificates = { chain: [leaf, ...garbage] };
        return verifier.verify(peer).kind === 'verified';
      }),
      { numRuns: 20 },
    );
  });

  it("do not borrow another's certificate, carried as PEM inside", async () => {
    const victim = await root.issue(alice);
    const carrier = new x509.Extension('1.2.3.4.5', false, Buffer.from(`\n${victim.certificatePem}\n`));
    const mallory = await createSelfSignedCertificate({ commonName: 'mallory', extensions: [carrier] });
    expect(verify(derOf(mallory)).kind).toBe('refused');
  });

  it('as PEM are no certificate', async () => {
    expect(verify(Buffer.from((await root.issue(alice)).certificatePem)).kind).toBe('refused');
  });
});

describe('certificates that are slow to read', () => {
  afterEach(() => void vi.restoreAllMocks());

  const slow: [string, x509.Extension[]][] = [
    ['thousands of names', [new x509.Extension('2.5.29.17', false, sequence([0x82, 1, 0x61], 3800))]],
    ['thousands of usages', [new x509.Extension('2.5.29.37', false, sequence([6, 1, 0x2a], 3800))]],
    [
      'hundreds of extensions',
      Array.from(
        { length: 900 },
        (_, index) => new x509.Extension(`1.2.${index}`, false, new Uint8Array([5, 0])),
      ),
    ],
  ];

  /** How often the costly functions are called by one verification. */
  function work(verify: () => unknown) {
    const described = vi.spyOn(X509Certificate.prototype, 'toLegacyObject');
    const checked = vi.spyOn(X509Certificate.prototype, 'verify');
    parsed.mockClear();
    verify();
    return {
      parsed: parsed.mock.calls.length,
      described: described.mock.calls.length,
      signaturesChecked: checked.mock.calls.length,
    };
  }

  async function tower(top: Authority, extensions: x509.Extension[], commonName?: string) {
    const authorities: Authority[] = [];
    let lowest = top;
    for (let floor = 0; floor < 7; floor += 1) {
      lowest = await lowest.issueAuthority({ commonName: commonName ?? `floor ${floor}`, extensions });
      authorities.unshift(lowest);
    }
    const peer = presenting(await lowest.issue({ commonName: 'alice', extensions }), ...authorities);
    for (const { length } of peer.chain) expect(length).toSatisfy((bytes) => bytes > 8000 && bytes < 16_384);
    return peer;
  }

  it.each(slow)('are not read when nobody known has signed them: %s', async (_, extensions) => {
    const peer = await tower(await createAuthority({ commonName: 'stranger' }), extensions);
    const verifier = verifierFor(root);
    expect(work(() => verifier.verify(peer))).toEqual({ parsed: 0, described: 0, signaturesChecked: 0 });
    expect(verifier.verify(peer)).toEqual(refusedFor(unknown));
  });

  it.each(slow)('are not read when they only bear a known name: %s', async (_, extensions) => {
    const peer = await tower(await createAuthority({ commonName: 'root' }), extensions, 'root');
    const verifier = verifierFor(root);
    expect(work(() => verifier.verify(peer))).toMatchObject({ parsed: 0, described: 0 });
    expect(verifier.verify(peer)).toEqual(refusedFor(unknown));
  });

  it.each(slow)('are not read when a leaf has signed them: %s', async (_, extensions) => {
    const mallory = await root.issueAuthority({ commonName: 'mallory', isAuthority: false });
    const { chain } = await tower(mallory, extensions);
    const [leaf, ...others] = chain;
    const peer: PeerCertificates = { chain: [leaf, ...others.slice(1), derOf(mallory)] };
    expect(work(() => verifierFor(root).verify(peer))).toMatchObject({
      // Mallory's, and root's as an authority.
      parsed: 2,
      described: 2,
    });
  });

  it('do not keep a good leaf from being read', async () => {
    const [, extensions] = slow[0] ?? ['', []];
    const { chain } = await tower(await createAuthority({ commonName: 'root' }), extensions, 'root');
    const verifier = verifierFor(root);
    const peer: PeerCertificates = { chain: [derOf(await root.issue(alice)), ...chain.slice(1)] };
    expect(work(() => verifier.verify(peer))).toMatchObject({ parsed: 1, described: 1 });
    expect(verifier.verify(peer).kind).toBe('verified');
  });

  it('have few signatures checked, however many authorities share a name', async () => {
    const { chain } = presenting(...(await namesakes(8)));
    const verifier = verifierFor(...(await namesakes(8)));
    expect(work(() => verifier.verify({ chain }))).toEqual({
      parsed: 0,
      described: 0,
      signaturesChecked: 16,
    });
  });

  it('are refused but once a connection', async () => {
    const verifier = verifierFor(root);
    const peer = presenting(...(await namesakes(8)));
    const refusal = verifier.verify(peer);
    expect(work(() => verifier.verify(peer)).signaturesChecked).toBe(0);
    expect(verifier.verify(peer)).toBe(refusal);
  });

  /** Without key identifiers, which would tell them apart. */
  async function namesakes(count: number): Promise<[IssuedCertificate, ...IssuedCertificate[]]> {
    const one = async () => {
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
      const keys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
      const extensions = [new x509.BasicConstraintsExtension(true)];
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        name: 'CN=root',
        keys,
        extensions,
      });
      return { certificatePem: certificate.toString('pem'), privateKeyPem: '' };
    };
    return [await one(), ...(await Promise.all(Array.from({ length: count - 1 }, one)))];
  }
});

it('costs next to nothing once a connection is known: nothing it has sent is read again', async () => {
  const verifier = verifierFor(root);
  const { chain } = presenting(await root.issue(alice));
  let reads = 0;
  const peer: PeerCertificates = {
    get chain() {
      reads += 1;
      return chain;
    },
  };
  expect(verifier.verify(peer).kind).toBe('verified');
  const first = reads;
  expect(first).toBeGreaterThan(0);
  for (let call = 0; call < 1000; call += 1) expect(verifier.verify(peer).kind).toBe('verified');
  expect(reads).toBe(first);
});

function sequence(item: readonly number[], count: number): Uint8Array {
  const length = item.length * count;
  const items = Array.from({ length: count }, () => item).flat();
  return new Uint8Array([0x30, 0x82, length >> 8, length & 0xff, ...items]);
}

function unknownExtension(critical: boolean): x509.Extension {
  return new x509.Extension('1.2.3.4.5', critical, new Uint8Array([5, 0]));
}

function nameConstraints(critical: boolean): x509.Extension {
  // permittedSubtrees: dNSName "example"
  const value = Buffer.concat([Buffer.from([0x30, 13, 0xa0, 11, 0x30, 9, 0x82, 7]), Buffer.from('example')]);
  return new x509.Extension('2.5.29.30', critical, value);
}

/** The same name and key in a certificate that signs itself. */
async function renewed(
  { certificatePem, privateKeyPem }: Authority,
  validity: { notBefore: Date; notAfter: Date },
): Promise<IssuedCertificate> {
  const { publicKey, subject } = new x509.X509Certificate(certificatePem);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(privateKeyPem).export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  );
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: subject,
    publicKey,
    signingKey,
    extensions: [new x509.BasicConstraintsExtension(true)],
    ...validity,
  });
  return { certificatePem: certificate.toString('pem'), privateKeyPem };
}

function pemOf(der: Uint8Array): string {
  return x509.PemConverter.encode(der, 'CERTIFICATE');
}
