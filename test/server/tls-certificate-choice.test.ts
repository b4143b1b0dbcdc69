import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import {
  startServer,
  type KeyPair,
  type NamedKeyPair,
  type RunningServer,
  type TlsOptions,
} from '../../src/server-exports.js';
import { createAuthority, type LeafOptions } from '../support/certificate-authority.js';
import { atEnd, closedAtEnd } from '../support/ending.js';
import { filterOptions } from '../support/filter.js';
import { RawClient } from '../support/raw-tls.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const authority = await createAuthority({ commonName: 'ca' });
async function pairOf(commonName: string, options: LeafOptions = {}): Promise<KeyPair> {
  const { certificatePem, privateKeyPem } = await authority.issue({ ...options, commonName });
  return { certificate: certificatePem, privateKey: privateKeyPem };
}

async function serve(tls: TlsOptions): Promise<RunningServer> {
  const server = closedAtEnd(await startServer({ ...filterOptions(), tls, logger: silent }));
  return server;
}

async function connected(server: RunningServer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...options });
  atEnd(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** The CN of the certificate that a new connection gets. */
async function servedTo(server: RunningServer, options: ConnectionOptions = {}): Promise<string> {
  const socket = await connected(server, options);
  const { CN = '' } = socket.getPeerCertificate().subject;
  return [CN].flat().join();
}

describe('a pair that is replaced', () => {
  it('is served from the next handshake on; open connections go on with the one before', async () => {
    const followed = { current: await pairOf('first') };
    const server = await serve({ ...followed.current, followed });
    const open = new RawClient({ port: server.port });
    const scrape = { headers: { Authorization: 'Bearer scraper-token' } };
    expect((await open.request('/metrics', scrape)).status).toBe(200);
    const before = await connected(server);
    followed.current = await pairOf('second');
    expect(await servedTo(server)).toBe('second');
    expect(before.getPeerCertificate().subject.CN).toBe('first');
    expect((await open.request('/metrics', scrape)).status).toBe(200);
  });

  it('changes nothing else: versions, cipher suites, no tickets, no resumption', async () => {
    const followed = { current: await pairOf('first') };
    const server = await serve({
      ...followed.current,
      followed,
      minVersion: 'TLSv1.2',
      ciphers: ['ECDHE-ECDSA-AES256-GCM-SHA384'],
    });
    for (const name of ['first', 'second']) {
      followed.current = await pairOf(name);
      const client: ConnectionOptions = { maxVersion: 'TLSv1.2' };
      const socket = await connected(server, client);
      expect(socket.getPeerCertificate().subject.CN).toBe(name);
      expect(socket.getCipher().name).toBe('ECDHE-ECDSA-AES256-GCM-SHA384');
      expect(socket.getTLSTicket()).toBeUndefined();
      const session = socket.getSession();
      const again = await connected(server, { ...client, ...(session === undefined ? {} : { session }) });
      expect(again.isSessionReused()).toBe(false);
      await expect(
        connected(server, { ...client, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
      ).rejects.toThrow();
      await expect(
        connected(server, { maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
      ).rejects.toThrow();
    }
  });

  it('stays the one before where the next cannot be used or had', async () => {
    const first = await pairOf('first');
    let next: () => KeyPair = () => first;
    const server = await serve({
      ...first,
      followed: {
        get current() {
          return next();
        },
      },
    });
    const warnings: string[] = [];
    const listen = ({ message }: Error): number => warnings.push(message);
    process.on('warning', listen);
    next = () => ({ certificate: 'none', privateKey: 'none' });
    expect(await servedTo(server)).toBe('first');
    next = () => {
      throw new TypeError('secret-token');
    };
    expect(await servedTo(server)).toBe('first');
    process.off('warning', listen);
    expect(warnings).toHaveLength(2);
    expect(warnings.join()).not.toContain('secret-token');
  });
});

describe('pairs with names', () => {
  const named = async (name: string, patterns?: readonly string[]): Promise<NamedKeyPair> => ({
    current: await pairOf(name, { dnsNames: [name] }),
    ...(patterns === undefined ? {} : { patterns }),
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('are served to who asks for them, over %s', async (version) => {
    const server = await serve({
      ...(await pairOf('default')),
      named: [await named('a.example'), await named('wild', ['*.example', '*.b.example'])],
    });
    const asking = (servername?: string): Promise<string> =>
      servedTo(server, {
        minVersion: version,
        maxVersion: version,
        ...(servername === undefined ? {} : { servername }),
      });
    expect([
      await asking('a.example'),
      await asking('c.example'),
      await asking('c.b.example'),
      await asking('c.c.example'),
      await asking(),
    ]).toEqual(['a.example', 'wild', 'wild', 'default', 'default']);
  });

  it('are served by address to who asks for no name, and never to who asks for another', async () => {
    const server = await serve({
      ...(await pairOf('default')),
      named: [await named('by-address', ['127.0.0.1'])],
    });
    expect(await servedTo(server)).toBe('by-address');
    expect(await servedTo(server, { servername: 'a.example' })).toBe('default');
    expect(await servedTo(server)).toBe('by-address');
  });

  it('follow their files as the default does', async () => {
    const named = { patterns: ['a.example'], current: await pairOf('first') };
    const server = await serve({ ...(await pairOf('default')), named: [named] });
    const asking = { servername: 'a.example' };
    const before = await connected(server, asking);
    named.current = await pairOf('second');
    expect(await servedTo(server, asking)).toBe('second');
    expect(before.getPeerCertificate().subject.CN).toBe('first');
  });

  it('that cannot be used end the handshake of who asks for them, and of nobody else', async () => {
    const server = await serve({
      ...(await pairOf('default')),
      named: [{ patterns: ['a.example'], current: { certificate: 'none', privateKey: 'none' } }],
    });
    await expect(connected(server, { servername: 'a.example' })).rejects.toThrow();
    expect(await servedTo(server, { servername: 'b.example' })).toBe('default');
  });
});
