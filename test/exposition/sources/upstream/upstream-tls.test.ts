import { createServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { UpstreamExpositionOptions } from '../../../../src/exposition/sources/upstream/upstream.js';
import {
  createAuthority,
  type Authority,
  type IssuedCertificate,
  type LeafOptions,
} from '../../../support/certificate-authority.js';
import { scrape } from './upstream-servers.js';
import { listen, type Listening } from '../../../support/listening.js';
import { failures, guard as guardBy } from './upstream-setting.js';

const [authority, other] = await Promise.all([
  createAuthority({ commonName: 'upstream-ca' }),
  createAuthority({ commonName: 'other-ca' }),
]);

const serving: LeafOptions = { commonName: 'app', usage: 'serverAuth', dnsNames: ['localhost'] };

function isTls(socket: Socket): socket is TLSSocket {
  return 'getPeerX509Certificate' in socket;
}

/** Says which client certificate it was shown. */
async function application(
  { certificatePem, privateKeyPem }: IssuedCertificate,
  options: ServerOptions = {},
): Promise<Listening> {
  const server = createServer(
    { cert: certificatePem, key: privateKeyPem, ...options },
    (request, response) => {
      const subject =
        (isTls(request.socket) ? request.socket.getPeerX509Certificate()?.subject : undefined) ?? 'nobody';
      response.setHeader('Content-Type', 'text/plain; version=0.0.4');
      response.end(`# ${subject}\n`);
    },
  );
  server.on('tlsClientError', () => undefined);
  const listening = await listen(server);
  return listening;
}

function guard(
  upstream: Listening,
  options: Partial<UpstreamExpositionOptions> = {},
  host = 'localhost',
): Promise<Listening> {
  const url = { value: `https://${host}:${upstream.port}/metrics`, enumerable: true };
  return guardBy(upstream, Object.defineProperty(options, 'url', url));
}

describe('an https upstream', () => {
  it('is scraped where its certificate is the authority’s and for its name', async () => {
    const filter = await guard(await application(await authority.issue(serving)), {
      ca: authority.certificatePem,
    });
    const { status, body } = await scrape(filter);
    expect([status, body.toString()]).toEqual([200, '# nobody\n']);
  });

  it.each<[string, LeafOptions, string, string | undefined]>([
    ['an address', { ...serving, dnsNames: [], ipAddresses: ['127.0.0.1'] }, '127.0.0.1', undefined],
    [
      'another name, which is asked for',
      { ...serving, dnsNames: ['app.shop.svc'] },
      '127.0.0.1',
      'app.shop.svc',
    ],
    [
      'an address in place of the name',
      { ...serving, dnsNames: [], ipAddresses: ['10.0.0.9'] },
      'localhost',
      '10.0.0.9',
    ],
  ])('may have a certificate for %s', async (_which, leaf, host, serverName) => {
    const upstream = await application(await authority.issue(leaf));
    const filter = await guard(upstream, { ca: authority.certificatePem, serverName }, host);
    expect((await scrape(filter)).status).toBe(200);
  });

  it.each<
    [string, LeafOptions, (authorities: { right: Authority; wrong: Authority }) => string | undefined, RegExp]
  >([
    ['of another authority', serving, ({ wrong }) => wrong.certificatePem, /not signed by a known authority/],
    ['of no authority that Node knows', serving, () => undefined, /not signed by a known authority/],
    [
      'for another name',
      { ...serving, dnsNames: ['secret'] },
      ({ right }) => right.certificatePem,
      /is for another name/,
    ],
    [
      'that has expired',
      { ...serving, notAfter: new Date(Date.now() - 60_000) },
      ({ right }) => right.certificatePem,
      /is not valid now/,
    ],
  ])('with a certificate %s is 502, without a word of it', async (_which, leaf, ca, message) => {
    const upstream = await application(await authority.issue(leaf));
    const filter = await guard(upstream, { ca: ca({ right: authority, wrong: other }) });
    const { status, body } = await scrape(filter);
    expect([status, body.toString()]).toEqual([502, 'Bad Gateway\n']);
    expect(failures[0]?.message).toMatch(message);
    expect(failures[0]?.message).not.toContain('secret');
  });

  it('is not believed by an environment variable', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const filter = await guard(await application(await authority.issue(serving)), {
        ca: other.certificatePem,
      });
      expect((await scrape(filter)).status).toBe(502);
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('asked for by plain http is 502', async () => {
    const upstream = await application(await authority.issue(serving));
    expect((await scrape(await guardBy(upstream))).status).toBe(502);
  });
});

describe('a client certificate for the upstream', () => {
  async function issued(commonName: string) {
    const { certificatePem, privateKeyPem } = await authority.issue({ commonName, usage: 'clientAuth' });
    return { certificate: certificatePem, privateKey: privateKeyPem };
  }
  const asking = (): ServerOptions => ({ requestCert: true, ca: authority.certificatePem });

  it('is presented, and a new one on new connections', async () => {
    const upstream = await application(await authority.issue(serving), asking());
    let clientCertificate = await issued('first');
    const filter = await guard(upstream, {
      ca: authority.certificatePem,
      get clientCertificate() {
        return clientCertificate;
      },
    });
    expect((await scrape(filter)).body.toString()).toBe('# CN=first\n');
    expect((await scrape(filter)).body.toString()).toBe('# CN=first\n');
    expect(upstream.connections()).toBe(1);
    clientCertificate = await issued('second');
    expect((await scrape(filter)).body.toString()).toBe('# CN=second\n');
    expect(upstream.connections()).toBe(2);
    await expect.poll(() => upstream.open.size).toBe(1);
  });

  it('that is missing where it is required is 502', async () => {
    const upstream = await application(await authority.issue(serving), asking());
    const filter = await guard(upstream, { ca: authority.certificatePem });
    expect((await scrape(filter)).status).toBe(502);
    expect(failures[0]?.message).toMatch(/^https:\/\/localhost:\d+\/metrics: /);
  });

  it('an authority that was replaced is believed no more', async () => {
    const upstream = await application(await authority.issue(serving));
    let ca = authority.certificatePem;
    const filter = await guard(upstream, {
      get ca() {
        return ca;
      },
    });
    expect((await scrape(filter)).status).toBe(200);
    ca = other.certificatePem;
    expect((await scrape(filter)).status).toBe(502);
  });
});
