import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  Authentication,
  Credentials,
  PeerCertificates,
} from '../../src/authentication/authenticator.js';
import { createCertificateVerifier } from '../../src/authentication/certificates/certificate-verifier.js';
import {
  requestHeaderAuthenticator,
  type RequestHeaderOptions,
} from '../../src/authentication/front-proxy.js';
import { createAuthority } from '../support/certificate-authority.js';
import { presenting } from './certificates/certificates.js';

type Headers = Credentials['headers'];

const authority = await createAuthority({ commonName: 'request-header-ca' });
const verifier = createCertificateVerifier({ authorities: authority.certificatePem });
const proxy = presenting(await authority.issue({ commonName: 'front-proxy', usage: 'clientAuth' }));

const names = {
  allowedNames: ['front-proxy'],
  usernameHeaders: ['X-Remote-User', 'X-Other-User'],
  uidHeaders: ['X-Remote-Uid'],
  groupHeaders: ['X-Remote-Group', 'X-Other-Group'],
  extraHeadersPrefixes: ['X-Remote-Extra-', 'X-Other-Extra-'],
};

async function ask(
  headers: Headers,
  peerCertificates?: PeerCertificates,
  others: Partial<RequestHeaderOptions> = {},
) {
  const authenticator = requestHeaderAuthenticator({ verifier, ...names, ...others });
  return authenticator.authenticate({ headers, ...(peerCertificates && { peerCertificates }) });
}

/** How often a request counts as spoofed. */
async function spoofed(headers: Headers, peerCertificates?: PeerCertificates) {
  let times = 0;
  const onSpoofed = () => {
    times += 1;
  };
  await ask(headers, peerCertificates, { onSpoofed });
  return times;
}

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('the front proxy', () => {
  const remote = { 'x-remote-user': ['alice'] };

  it('is believed', async () => {
    expect(await ask(remote, proxy)).toMatchObject({ kind: 'authenticated', identity: { name: 'alice' } });
  });

  it('has to have a certificate', async () => {
    expect(await ask(remote)).toEqual({ kind: 'none' });
  });

  it('has to have one of the right authority', async () => {
    const other = await createAuthority({ commonName: 'request-header-ca' });
    const impostor = await other.issue({ commonName: 'front-proxy', usage: 'clientAuth' });
    expect(await ask(remote, presenting(impostor))).toEqual({
      kind: 'refused',
      reason: 'certificate is not signed by a known authority',
    });
  });

  it('has to have an allowed name', async () => {
    const other = presenting(await authority.issue({ commonName: 'evil-proxy', usage: 'clientAuth' }));
    expect(await ask(remote, other)).toEqual({
      kind: 'refused',
      reason: 'front proxy "evil-proxy" is not an allowed name',
    });
  });

  it('may have any name, or none, when all are allowed', async () => {
    const nameless = presenting(await authority.issue({ usage: 'clientAuth' }));
    expect((await ask(remote, nameless)).kind).toBe('refused');
    const { allowedNames, ...others } = names;
    expect(allowedNames).toEqual(['front-proxy']);
    const anyName = requestHeaderAuthenticator({ verifier, ...others });
    expect((await anyName.authenticate({ headers: remote, peerCertificates: nameless })).kind).toBe(
      'authenticated',
    );
  });

  it.each([
    ['allowedNames', []],
    ['allowedNames', ['']],
    ['allowedNames', [' ']],
    ['allowedNames', ['front-proxy', '']],
    ['usernameHeaders', ['']],
    ['groupHeaders', ['X-Remote-Group', ' ']],
    ['extraHeadersPrefixes', ['']],
    ['uidHeaders', ['\t']],
  ])('is not made with %s: %j', (option, value) => {
    const making = (): unknown => requestHeaderAuthenticator({ verifier, ...names, [option]: value });
    expect(making).toThrow(new RangeError(`${option} must not be empty`));
  });
});

describe('the headers of somebody who is no front proxy', () => {
  const impostors: [string, () => Promise<PeerCertificates | undefined>][] = [
    ['no certificate', () => Promise.resolve(undefined)],
    [
      'a certificate of another authority',
      async () => {
        const other = await createAuthority({ commonName: 'request-header-ca' });
        return presenting(await other.issue({ commonName: 'front-proxy', usage: 'clientAuth' }));
      },
    ],
    [
      'a name that is not allowed',
      async () => presenting(await authority.issue({ commonName: 'evil-proxy', usage: 'clientAuth' })),
    ],
    [
      'a certificate for servers',
      async () => presenting(await authority.issue({ commonName: 'front-proxy', usage: 'serverAuth' })),
    ],
    ['a certificate that is none', () => Promise.resolve({ chain: [Buffer.from('garbage')] })],
  ];
  const claims: [string, Headers][] = [
    ['a name', { 'x-remote-user': ['alice'] }],
    ['an empty name', { 'x-remote-user': [''] }],
    ['a name in the second header', { 'x-other-user': ['alice'] }],
    ['a uid', { 'x-remote-uid': ['u'] }],
    ['a group', { 'x-remote-group': ['system:masters'] }],
    ['a group in the second header', { 'x-other-group': ['system:masters'] }],
    ['an extra', { 'x-remote-extra-scopes': ['cluster:root'] }],
    ['an extra of the second prefix', { 'x-other-extra-scopes': ['cluster:root'] }],
    ['an extra with an odd key', { 'x-remote-extra-%zz': ['v'] }],
    ['all of them', { 'x-remote-user': ['a', 'b'], 'x-remote-uid': ['u'], 'x-remote-extra-k': ['v'] }],
    ['what is not UTF-8', { 'x-remote-user': ['al\xffice'] }],
  ];
  const nothing: [string, Headers][] = [
    ['no header', {}],
    ['a header without a line', { 'x-remote-user': [] }],
    ['others', { 'x-remote-users': ['a'], 'x-remote-extr': ['b'], 'x-remote': ['c'], authorization: ['d'] }],
    ['those of an object', Object.create({ 'x-remote-user': ['alice'] }) as Headers],
  ];

  describe.each(impostors)('with %s', (_, presented) => {
    it.each(claims)('are told once, and ignored: %s', async (__, headers) => {
      const peer = await presented();
      expect(await spoofed(headers, peer)).toBe(1);
      expect(await ask(headers, peer)).toEqual(await ask({}, peer));
    });

    it.each(nothing)('are not told where there are none: %s', async (__, headers) => {
      expect(await spoofed(headers, await presented())).toBe(0);
    });
  });

  it.each([...claims, ...nothing])('are not told where the front proxy sends %s', async (_, headers) => {
    expect(await spoofed(headers, proxy)).toBe(0);
  });

  it('are ignored without anybody being told', async () => {
    expect(await ask({ 'x-remote-user': ['alice'] })).toEqual({ kind: 'none' });
  });

  it('are never believed, whatever they say', async () => {
    const line = fc.uint8Array({ maxLength: 12 }).map((value) => Buffer.from(value).toString('latin1'));
    const name = fc.oneof(
      fc.constantFrom('x-remote-user', 'x-other-user', 'x-remote-uid', 'x-remote-group', 'x-other-group'),
      fc.string({ maxLength: 6 }).map((key) => `x-remote-extra-${key.toLowerCase()}`),
    );
    const lines = fc.array(line, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, lines, { minKeys: 1 }), async (headers) => {
        expect(await ask(headers)).toEqual({ kind: 'none' });
        expect(await spoofed(headers)).toBe(1);
        expect(await spoofed(headers, proxy)).toBe(0);
      }),
    );
  });
});

describe('the uid', () => {
  const uidHeaders = ['X-Remote-Uid', 'X-Other-Uid', 'X-Third-Uid'];
  it.each<[string, Headers, string | undefined]>([
    ['of the first header', { 'x-remote-uid': ['1'], 'x-other-uid': ['2'] }, '1'],
    ['of the second where the first is missing', { 'x-other-uid': ['2'], 'x-third-uid': ['3'] }, '2'],
    ['of the second where the first is empty', { 'x-remote-uid': [''], 'x-other-uid': ['2'] }, '2'],
    ['of the second where the first is blank', { 'x-remote-uid': [' \t'], 'x-other-uid': ['2'] }, '2'],
    ['of the second where the first begins empty', { 'x-remote-uid': ['', '1'], 'x-other-uid': ['2'] }, '2'],
    ['of the third', { 'x-third-uid': ['3'] }, '3'],
    ['missing where all are empty', { 'x-remote-uid': [''], 'x-third-uid': ['', '3'] }, undefined],
    ['missing where no header brings it', {}, undefined],
  ])('is that %s', async (_, headers, uid) => {
    const { identity } = (await ask({ 'x-remote-user': ['a'], ...headers }, proxy, { uidHeaders })) as {
      readonly identity: { readonly uid?: string };
    };
    expect(identity.uid).toBe(uid);
    expect('uid' in identity).toBe(uid !== undefined);
  });

  it('is never taken where no header may bring it', async () => {
    const headers = { 'x-remote-user': ['a'], 'x-remote-uid': ['u'] };
    expect(identityOf(await ask(headers, proxy, { uidHeaders: [] }))).not.toHaveProperty('uid');
  });
});

describe('the key of an extra', () => {
  const keys: [string, string][] = [
    ['%41%42', 'AB'],
    ['a%2fb%2Fc'.toLowerCase(), 'a/b/c'],
    ['%25', '%'],
    ['%2525', '%25'],
    ['%', '%'],
    ['%%', '%%'],
    ['%4', '%4'],
    ['a%', 'a%'],
    ['%4g', '%4g'],
    ['%41%4', '%41%4'],
    ['%zz%41', '%zz%41'],
    ['%00', '\0'],
    ['%0a', '\n'],
    ['+', '+'],
    ['%2b', '+'],
    ['%c3%a9', 'é'],
    ['%f0%9f%99%82', '🙂'],
    ['%5f%5fproto%5f%5f', '__proto__'],
  ];
  it.each(keys)('written %j is %j', async (written, key) => {
    const { extra } = identityOf(
      await ask({ 'x-remote-user': ['a'], [`x-remote-extra-${written}`]: ['v'] }, proxy),
    );
    expect(Object.entries(extra)).toEqual([[key, ['v']]]);
  });

  it.each(['%c3', '%c3%28', '%80', '%c0%af', '%ed%a0%80', '%f5%80%80%80', '%41%ff'])(
    'written %j is nobody’s: it is not UTF-8',
    async (written) => {
      const name = `x-remote-extra-${written}`;
      expect(await ask({ 'x-remote-user': ['a'], [name]: ['v'] }, proxy)).toEqual({
        kind: 'refused',
        reason: `header "${name}" is not UTF-8`,
      });
    },
  );

  it('comes back as any proxy wrote it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), async (key) => {
        const written = [...Buffer.from(key)]
          .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
          .join('');
        const headers = { 'x-remote-user': ['a'], [`x-remote-extra-${written}`]: ['v'] };
        expect(Object.entries(identityOf(await ask(headers, proxy)).extra)).toEqual([[key, ['v']]]);
      }),
    );
  });
});

describe('the headers', () => {
  const people: [string, Headers, { name: string; uid?: string; groups?: string[] }][] = [
    ['name', { 'x-remote-user': ['alice'] }, { name: 'alice' }],
    ['name between blanks', { 'x-remote-user': [' \talice\t '] }, { name: 'alice' }],
    ['name as it is, undecoded', { 'x-remote-user': ['al%69ce'] }, { name: 'al%69ce' }],
    ['name in UTF-8', { 'x-remote-user': [latin1('Zoë 🙂')] }, { name: 'Zoë 🙂' }],
    ['name with a byte order mark', { 'x-remote-user': [latin1('\uFEFFalice')] }, { name: '\uFEFFalice' }],
    ['first of two names', { 'x-remote-user': ['alice', 'bob'] }, { name: 'alice' }],
    ['name of the second header', { 'x-other-user': ['bob'] }, { name: 'bob' }],
    [
      'name, the first header first',
      { 'x-other-user': ['bob'], 'x-remote-user': ['alice'] },
      { name: 'alice' },
    ],
    [
      'second header when the first begins empty',
      { 'x-remote-user': ['', 'alice'], 'x-other-user': ['bob'] },
      { name: 'bob' },
    ],
    ['uid', { 'x-remote-user': ['a'], 'x-remote-uid': ['u', 'v'] }, { name: 'a', uid: 'u' }],
    ['no uid when it is empty', { 'x-remote-user': ['a'], 'x-remote-uid': [''] }, { name: 'a' }],
    [
      'every group of every header',
      { 'x-remote-user': ['a'], 'x-other-group': ['z'], 'x-remote-group': ['x', '', ' ', 'y', 'x'] },
      { name: 'a', groups: ['x', 'y', 'x', 'z'] },
    ],
    ['groups unsplit', { 'x-remote-user': ['a'], 'x-remote-group': ['x,y'] }, { name: 'a', groups: ['x,y'] }],
  ];
  it.each(people)('give the %s', async (_, headers, expected) => {
    expect(await ask(headers, proxy)).toEqual({
      kind: 'authenticated',
      identity: { groups: [], extra: {}, ...expected },
    });
  });

  const extras: [string, Headers, Record<string, string[]>][] = [
    ['by key', { 'x-remote-extra-scopes': ['a', 'b'] }, { scopes: ['a', 'b'] }],
    [
      'with an encoded key',
      { 'x-remote-extra-example.org%2fscopes': ['a'] },
      { 'example.org/scopes': ['a'] },
    ],
    ['with a key in UTF-8', { 'x-remote-extra-%c3%a9': ['a'] }, { é: ['a'] }],
    ['decoded once', { 'x-remote-extra-%2541': ['a'] }, { '%41': ['a'] }],
    ['in upper case once decoded', { 'x-remote-extra-%41': ['a'] }, { A: ['a'] }],
    [
      'with a broken escape',
      { 'x-remote-extra-%2': ['a'], 'x-remote-extra-%2f%zz': ['b'] },
      { '%2': ['a'], '%2f%zz': ['b'] },
    ],
    ['with an empty value', { 'x-remote-extra-k': [''] }, { k: [''] }],
    ['with an empty key', { 'x-remote-extra-': ['a'] }, { '': ['a'] }],
    ['of two prefixes', { 'x-other-extra-k': ['b'], 'x-remote-extra-k': ['a'] }, { k: ['a', 'b'] }],
    ['of two spellings', { 'x-remote-extra-k': ['a'], 'x-remote-extra-%6b': ['b'] }, { k: ['a', 'b'] }],
  ];
  it.each(extras)('give extras %s', async (_, headers, extra) => {
    expect(await ask({ 'x-remote-user': ['a'], ...headers }, proxy)).toMatchObject({
      kind: 'authenticated',
      identity: { extra },
    });
  });

  it('give extras whose keys are nothing special', async () => {
    const headers = {
      'x-remote-user': ['a'],
      'x-remote-extra-__proto__': ['p'],
      'x-remote-extra-constructor': ['c'],
    };
    const { extra } = identityOf(await ask(headers, proxy));
    expect(Object.entries(extra)).toEqual([
      ['__proto__', ['p']],
      ['constructor', ['c']],
    ]);
    expect(identityOf(await ask({ 'x-remote-user': ['a'] }, proxy)).extra['constructor']).toBeUndefined();
  });

  const nobody: [string, Headers][] = [
    ['are missing', {}],
    ['hold no name', { 'x-remote-user': [''], 'x-remote-group': ['system:masters'] }],
    ['hold blanks for a name', { 'x-remote-user': [' \t '] }],
    ['hold no line', { 'x-remote-user': [] }],
    ['are those of an object', Object.create({ 'x-remote-user': ['alice'] }) as Headers],
  ];
  it.each(nobody)('name nobody when they %s', async (_, headers) => {
    expect(await ask(headers, proxy)).toEqual({ kind: 'none' });
  });

  const garbled: [string, Headers, string][] = [
    ['name', { 'x-remote-user': ['al\xffice'] }, 'x-remote-user'],
    ['name of more than bytes', { 'x-remote-user': ['\u0161lice'] }, 'x-remote-user'],
    ['uid', { 'x-remote-user': ['a'], 'x-remote-uid': ['\xc3'] }, 'x-remote-uid'],
    ['group', { 'x-remote-user': ['a'], 'x-remote-group': ['x', '\xc0\xaf'] }, 'x-remote-group'],
    ['extra', { 'x-remote-user': ['a'], 'x-remote-extra-k': ['\xed\xa0\x80'] }, 'x-remote-extra-k'],
    ['extra key', { 'x-remote-user': ['a'], 'x-remote-extra-%ff': ['v'] }, 'x-remote-extra-%ff'],
  ];
  it.each(garbled)('are refused with a %s that is not UTF-8', async (_, headers, header) => {
    expect(await ask(headers, proxy)).toEqual({ kind: 'refused', reason: `header "${header}" is not UTF-8` });
  });
});

describe('whatever the headers hold', () => {
  const bytes = fc.uint8Array({ maxLength: 12 }).map((value) => Buffer.from(value).toString('latin1'));
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const blanks = /^[ \t]+|[ \t]+$/g;

  it('a name, its groups and extras come back as the proxy wrote them', async () => {
    await fc.assert(
      fc.asyncProperty(
        text.filter((name) => name.replaceAll(blanks, '') !== ''),
        fc.array(text),
        fc.dictionary(fc.stringMatching(/^[a-z_./-]{1,9}$/), fc.array(text, { minLength: 1 })),
        async (name, groups, extra) => {
          const trimmed = (value: string) => value.replaceAll(blanks, '');
          const extraHeaders = Object.entries(extra).map(([key, values]) => [
            `x-remote-extra-${encodeURIComponent(key).toLowerCase()}`,
            values.map(latin1),
          ]);
          const headers = {
            'x-remote-user': [latin1(name)],
            'x-remote-group': groups.map(latin1),
            ...(Object.fromEntries(extraHeaders) as Headers),
          };
          const identity = identityOf(await ask(headers, proxy));
          expect(identity.name).toBe(trimmed(name));
          expect(identity.groups).toEqual(groups.map(trimmed).filter((group) => group !== ''));
          expect(new Map(Object.entries(identity.extra))).toEqual(
            new Map(Object.entries(extra).map(([key, values]) => [key, values.map(trimmed)])),
          );
        },
      ),
    );
  });

  it('nothing is thrown, and only UTF-8 is a name', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(bytes, { maxLength: 3 }),
        fc.dictionary(
          bytes.map((key) => `x-remote-extra-${key}`),
          fc.array(bytes),
        ),
        async (users, extras) => {
          const authentication = await ask({ ...extras, 'x-remote-user': users }, proxy);
          if (authentication.kind !== 'authenticated') return;
          expect(latin1(authentication.identity.name)).toBe(users[0]?.replaceAll(blanks, ''));
        },
      ),
    );
  });
});

function identityOf(authentication: Authentication) {
  if (authentication.kind !== 'authenticated') expect.fail(JSON.stringify(authentication));
  return authentication.identity;
}
