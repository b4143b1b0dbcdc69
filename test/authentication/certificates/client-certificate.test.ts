import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { connect, type DetailedPeerCertificate, type SecureVersion, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Authentication, PeerCertificates } from '../../../src/authentication/authenticator.js';
import { createCertificateVerifier } from '../../../src/authentication/certificates/certificate-verifier.js';
import { clientCertificateAuthenticator } from '../../../src/authentication/certificates/client-certificate.js';
import {
  createAuthority,
  createSelfSignedCertificate,
  type Authority,
  type IssuedCertificate,
  type LeafOptions,
} from '../../support/certificate-authority.js';
import { presenting } from './certificates.js';
import { listen } from '../../support/listening.js';

const root = await createAuthority({ commonName: 'client-ca' });
const stranger = await createAuthority({ commonName: 'client-ca' });
const verifier = createCertificateVerifier({ authorities: root.certificatePem });
const authenticator = clientCertificateAuthenticator({ verifier });
const lenient = clientCertificateAuthenticator({ verifier, unverified: 'ignore' });

it('has a fixed name', () => {
  expect(authenticator.name).toBe('client-certificate');
});

describe('a client certificate', () => {
  it('says who sends the request', async () => {
    const leaf = await root.issue({
      commonName: 'alice',
      organizations: ['monitoring', 'team-a'],
      usage: 'clientAuth',
    });
    const digest = /^X509SHA256=[0-9a-f]{64}$/;
    expect(await authenticator.authenticate({ peerCertificates: presenting(leaf), headers: {} })).toEqual({
      kind: 'authenticated',
      identity: {
        name: 'alice',
        groups: ['monitoring', 'team-a'],
        extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(digest)] },
      },
    });
  });

  it('gives one frozen identity for all requests of a connection', async () => {
    const peerCertificates = presenting(await root.issue({ commonName: 'alice', usage: 'clientAuth' }));
    const first = identityOf(await authenticator.authenticate({ peerCertificates, headers: {} }));
    expect(identityOf(await authenticator.authenticate({ peerCertificates, headers: {} }))).toBe(first);
    expect([first, first.groups, first.extra].every(Object.isFrozen)).toBe(true);
  });

  it('that is missing says nothing', async () => {
    expect(await authenticator.authenticate({ headers: {} })).toEqual({ kind: 'none' });
  });

  const lapsed = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2021-01-01T00:00:00Z') };
  /** The reason, behind `certificate `. */
  const refused: [string, Authority, LeafOptions, string][] = [
    [
      'of another authority with the same name',
      stranger,
      { commonName: 'a' },
      'is not signed by a known authority',
    ],
    ['for servers', root, { commonName: 'a', usage: 'serverAuth' }, 'is not for client authentication'],
    [
      'without a common name',
      root,
      { organizations: ['system:masters'], usage: 'clientAuth' },
      'has no common name',
    ],
    ['with an empty common name', root, { commonName: '', usage: 'clientAuth' }, 'has no common name'],
    [
      'that has expired',
      root,
      { commonName: 'a', usage: 'clientAuth', ...lapsed },
      'has expired on 2021-01-01T00:00:00.000Z',
    ],
  ];
  it.each(refused)('%s is refused, or ignored where that is asked for', async (_, issuer, leaf, reason) => {
    const credentials = { peerCertificates: presenting(await issuer.issue(leaf)), headers: {} };
    const refusal = { kind: 'refused', reason: `certificate ${reason}` };
    expect(await authenticator.authenticate(credentials)).toEqual(refusal);
    expect(await lenient.authenticate(credentials)).toEqual({ kind: 'none' });
  });
});

describe('over TLS', () => {
  let server: Server;
  let leaf: IssuedCertificate;
  let intermediate: Authority;
  const presented: PeerCertificates[] = [];

  beforeAll(async () => {
    const serving = await createSelfSignedCertificate({ commonName: 'localhost', usage: 'serverAuth' });
    intermediate = await root.issueAuthority({ commonName: 'intermediate' });
    leaf = await intermediate.issue({ commonName: 'alice', usage: 'clientAuth' });
    server = createServer({
      key: serving.privateKeyPem,
      cert: serving.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.on('secureConnection', (socket) => {
      const chain = chainOf(socket);
      if (chain !== undefined) presented.push({ chain });
    });
    server.on('request', (_, response) => response.end('ok'));
    await listen(server);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('a resumed %s session is the same person', async (version) => {
    presented.length = 0;
    const first = await visit(version);
    const second = await visit(version, first.session);
    expect([first.resumed, second.resumed]).toEqual([false, true]);
    const [full, leafAlone] = presented;
    if (full === undefined || leafAlone === undefined) expect.fail('a certificate is missing');
    expect([full.chain.length, leafAlone.chain.length]).toEqual([2, 1]);
    const identity = identityOf(await authenticator.authenticate({ peerCertificates: full, headers: {} }));
    expect(identity.name).toBe('alice');
    expect(await authenticator.authenticate({ peerCertificates: leafAlone, headers: {} })).toEqual({
      kind: 'authenticated',
      identity,
    });
  });

  async function visit(version: SecureVersion, session?: Buffer) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
    const socket = connect({
      host: '127.0.0.1',
      port: address.port,
      key: leaf.privateKeyPem,
      cert: leaf.certificatePem + intermediate.certificatePem,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...(session && { session }),
    });
    const ticket = once(socket, 'session') as Promise<[Buffer]>;
    await once(socket, 'secureConnect');
    const resumed = socket.isSessionReused();
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    socket.resume();
    const closed = once(socket, 'close');
    const [next] = resumed ? [session] : await ticket;
    await closed;
    return { resumed, session: next };
  }
});

function chainOf(socket: TLSSocket): PeerCertificates['chain'] | undefined {
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  if (Object.keys(certificate).length === 0) return undefined;
  const chain: [Buffer, ...Buffer[]] = [certificate.raw];
  for (;;) {
    // Typed as if it were always there.
    const issuer = certificate.issuerCertificate as DetailedPeerCertificate | undefined;
    if (issuer === undefined || issuer === certificate) return chain;
    chain.push(issuer.raw);
    certificate = issuer;
  }
}

function identityOf(authentication: Authentication) {
  if (authentication.kind !== 'authenticated') expect.fail(JSON.stringify(authentication));
  return authentication.identity;
}
