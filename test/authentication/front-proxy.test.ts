import { expect, it } from 'vitest';
import type { PeerCertificates } from '../../src/authentication/authenticator.js';
import { createCertificateVerifier } from '../../src/authentication/certificates/certificate-verifier.js';
import { requestHeaderAuthenticator } from '../../src/authentication/front-proxy.js';
import { createAuthority } from '../support/certificate-authority.js';
import { presenting } from './certificates/certificates.js';

const peers = new Map<string, PeerCertificates | undefined>([['nobody', undefined]]);
const tomorrow = Date.now() + 24 * 3_600_000;

const authority = await createAuthority({ commonName: 'request-header-ca' });
const stranger = await createAuthority({ commonName: 'request-header-ca' });
const verifier = createCertificateVerifier({ authorities: authority.certificatePem });
const usage = 'clientAuth';
peers.set('the front proxy', presenting(await authority.issue({ commonName: 'front-proxy', usage })));
peers.set('another client', presenting(await authority.issue({ commonName: 'mallory', usage })));
peers.set('a namesake', presenting(await stranger.issue({ commonName: 'front-proxy', usage })));

it.each([
  ['the front proxy', ['front-proxy'], true],
  ['the front proxy', undefined, true],
  ['another client', undefined, true],
  ['another client', ['front-proxy'], false],
  ['a namesake', ['front-proxy'], false],
  ['a namesake', undefined, false],
  ['nobody', undefined, false],
])('%s is a front proxy where %j are: %j, whatever the headers say', (peer, allowedNames, expected) => {
  const authenticator = requestHeaderAuthenticator({
    verifier,
    ...(allowedNames === undefined ? {} : { allowedNames }),
    usernameHeaders: ['X-Remote-User'],
    uidHeaders: [],
    groupHeaders: [],
    extraHeadersPrefixes: [],
  });
  for (const headers of [{}, { 'x-remote-user': ['alice'] }]) {
    expect(authenticator.isFrontProxy?.({ headers, peerCertificates: peers.get(peer) })).toBe(expected);
  }
});

it('is none any more when its certificate has expired on an open connection', async () => {
  let now = Date.now();
  const authority = await createAuthority({ commonName: 'request-header-ca' });
  const peerCertificates = presenting(
    await authority.issue({ commonName: 'front-proxy', usage: 'clientAuth', notAfter: new Date(tomorrow) }),
  );
  const authenticator = requestHeaderAuthenticator({
    verifier: createCertificateVerifier({ authorities: authority.certificatePem, now: () => now }),
    usernameHeaders: [],
    uidHeaders: [],
    groupHeaders: [],
    extraHeadersPrefixes: [],
  });
  expect(authenticator.isFrontProxy?.({ headers: {}, peerCertificates })).toBe(true);
  now = tomorrow + 2000;
  expect(authenticator.isFrontProxy?.({ headers: {}, peerCertificates })).toBe(false);
});
