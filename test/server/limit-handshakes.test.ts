import { once } from 'node:events';
import { createServer } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type SecureVersion } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { RequestCredentials } from '../../src/request/credentials.js';
import { limitHandshakes } from '../../src/index.js';
import { RequestLimitError } from '../../src/request/request-errors.js';
import { type ConnectionLimits } from '../../src/server-exports.js';
import { listen } from '../support/listening.js';
import { atEnd } from '../support/ending.js';
import { certificateChain, type CertificateChain, type ChainKey } from '../support/certificate-chain.js';
import { startLimited } from './limited-server.js';

const repeated = (count: number, key: ChainKey): readonly ChainKey[] =>
  Array.from({ length: count }, () => key);

const serving = certificateChain(['prime256v1']);
/** The keys of a client's authorities cost, its own does not: such a handshake ends well. */
const costly = certificateChain(['prime256v1', ...repeated(30, 'sect571r1')]);
/** In TLS 1.2 these take no more bytes than a long ClientHello. */
const short = certificateChain(repeated(3, 'sect571r1'));
/** A client cannot sign with it in TLS 1.2 as Node lets it: its chain is verified, and the handshake breaks off. */
const unfinished = certificateChain(repeated(30, 'sect571r1'));

/** A server as an application makes it; `attempt` resolves to whether a handshake was answered to its end. */
async function guarded(maxHandshakeMsByAddress?: number) {
  let refused = 0;
  const spent: string[] = [];
  const chains = new Set<number>();
  const options = { ...serving, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    chains.add(new RequestCredentials(request).peerCertificates?.chain.length ?? 0);
    response.end();
  });
  limitHandshakes(server, {
    ...(maxHandshakeMsByAddress === undefined ? {} : { maxHandshakeMsByAddress }),
    onRefused: () => (refused += 1),
    onSpent: (address) => spent.push(address),
  });
  const { port } = await listen(server);
  return {
    refused: () => refused,
    spent,
    chains,
    port,
    attempt: (from: string, chain?: CertificateChain, version?: SecureVersion) =>
      attempt(port, from, chain, version),
  };
}

async function attempt(
  port: number,
  from: string,
  chain: Partial<CertificateChain> = {},
  maxVersion: SecureVersion = 'TLSv1.3',
): Promise<boolean> {
  const options: ConnectionOptions & { readonly localAddress: string } = {
    ...chain,
    port,
    host: '127.0.0.1',
    localAddress: from,
    rejectUnauthorized: false,
    maxVersion,
  };
  const socket = connect(options).on('error', () => undefined);
  let answer = '';
  socket.on('data', (data: Buffer) => (answer += data.toString()));
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  return answer.startsWith('HTTP/1.1 200');
}

const closed = (socket: Socket): Promise<unknown> =>
  socket.resume().destroyed ? Promise.resolve() : once(socket, 'close');

describe('handshakes with costly chains', () => {
  it.each<readonly [string, CertificateChain, SecureVersion]>([
    ['that end well', costly, 'TLSv1.3'],
    ['that end well in TLS 1.2', costly, 'TLSv1.2'],
    ['that break off once the chain is verified', unfinished, 'TLSv1.2'],
    ['that break off after few bytes', short, 'TLSv1.2'],
  ])('%s are not accepted any more from their address, and others are', async (_what, chain, version) => {
    const server = await guarded(1);
    const waiting = connectTcp({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    waiting.on('error', () => undefined);
    await once(waiting, 'connect');
    while (server.refused() === 0) await server.attempt('127.0.0.2', chain, version);
    expect(server.spent).toEqual(['127.0.0.2']);
    await closed(waiting);
    expect(await server.attempt('127.0.0.2')).toBe(false);
    expect(await server.attempt('127.0.0.3', costly)).toBe(true);
    expect(await server.attempt('127.0.0.1')).toBe(true);
  });

  it('of more than eight certificates count whatever they cost', async () => {
    const server = await guarded(1);
    const nine = certificateChain(repeated(9, 'prime256v1'));
    while (server.refused() === 0) await server.attempt('127.0.0.2', nine);
    expect(server.spent).toEqual(['127.0.0.2']);
  });

  it('are bounded by the ready server unless told otherwise, counted and logged once', async () => {
    for (const [connectionLimits, refused] of [
      [{}, true],
      [{ maxHandshakeMsByAddress: 0 }, false],
    ] satisfies readonly (readonly [ConnectionLimits, boolean])[]) {
      const warnings: Readonly<Record<string, unknown>>[] = [];
      const silent = (): void => undefined;
      const warn = (fields: Readonly<Record<string, unknown>>): void => void warnings.push(fields);
      const server = await startLimited({
        connectionLimits,
        logger: { debug: silent, info: silent, warn, error: silent },
      });
      atEnd(() => server.stop());
      for (let count = 0; count < 12; count += 1) await attempt(server.server.port, '127.0.0.2', costly);
      const counted = await server.metric('kcp_metrics_filter_refused_connections_total');
      expect([counted > 0, warnings]).toEqual([refused, refused ? [{ address: '127.0.0.2' }] : []]);
      expect((await server.scrape('scraper-token')).status).toBe(200);
    }
  });
});

describe('handshakes with ordinary chains', () => {
  it.each<readonly [string, number, CertificateChain | undefined]>([
    ['no certificate', 0, undefined],
    ['P-256', 3, certificateChain(repeated(3, 'prime256v1'))],
    ['P-384', 3, certificateChain(repeated(3, 'secp384r1'))],
    ['RSA, of eight certificates', 8, certificateChain(repeated(8, 2048))],
  ])(
    '(%s) are accepted, however many come from one address, and seen whole',
    async (_what, length, chain) => {
      const server = await guarded();
      for (let wave = 0; wave < 4; wave += 1) {
        const fleet = Array.from({ length: 50 }, () => server.attempt('127.0.0.2', chain));
        expect(await Promise.all(fleet)).not.toContain(false);
      }
      expect([server.refused(), server.spent, [...server.chains]]).toEqual([0, [], [length]]);
    },
  );
});

describe('limitHandshakes', () => {
  it('refuses to renegotiate', async () => {
    const server = await guarded();
    const socket = connect({
      port: server.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    });
    socket.on('error', () => undefined);
    await once(socket.resume(), 'secureConnect');
    const renegotiated = await new Promise((resolve) => {
      socket.renegotiate({}, resolve);
      socket.once('close', () => {
        resolve('closed');
      });
    });
    expect(renegotiated).not.toBeNull();
  });

  it.each([-1, NaN, Infinity, 10_001])('of %j ms cannot be', (maxHandshakeMsByAddress) => {
    expect(() => {
      limitHandshakes(createServer(), { maxHandshakeMsByAddress });
    }).toThrow(RequestLimitError);
  });
});
