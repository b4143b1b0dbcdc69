import { EventEmitter, once } from 'node:events';
import { connect, constants, createSecureServer, type ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  clientCertificateAuthenticator,
  createCertificateVerifier,
  metricsFilter,
  tokenFileAuthenticator,
  type AuditEvent,
  type Exposition,
} from '../../src/index.js';
import { createAuthority, type Authority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { localAuthority } from '../support/local-authority.js';
import { listen } from '../support/listening.js';
import { filterOptions, tokens } from '../support/filter.js';

const contentType = 'text/plain; version=0.0.4';
const piece = Buffer.alloc(70_000, '# a comment\n');

/** Bodies without an end, or that fail after a piece: tells when one is closed, and what its scrape's signal says. */
class Endless extends EventEmitter<{ closed: [] }> implements Exposition {
  isBroken = false;
  signal: AbortSignal | undefined;
  readonly contentType = (): string => contentType;

  readonly render: Exposition['render'] = ({ signal }) => {
    this.signal = signal;
    return Promise.resolve({ contentType, body: this.#body() });
  };

  async *#body(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      do yield await Promise.resolve(piece);
      while (!this.isBroken);
      throw new RangeError('broken');
    } finally {
      this.emit('closed');
    }
  }
}

describe('behind an application on node:http2', () => {
  const endless = new Endless();
  const events: AuditEvent[] = [];
  const sessions: ClientHttp2Session[] = [];
  let clients: Authority;
  let server: ReturnType<typeof createSecureServer>;
  let scraper: IssuedCertificate;

  beforeAll(async () => {
    clients = await createAuthority({ commonName: 'client-ca' });
    scraper = await clients.issue({ commonName: 'scraper', usage: 'clientAuth' });
    const { serving } = await localAuthority();
    const filter = metricsFilter(
      filterOptions({
        authenticators: [
          clientCertificateAuthenticator({
            verifier: createCertificateVerifier({ authorities: clients.certificatePem }),
          }),
          tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' }),
        ],
        otherExpositions: new Map([['/metrics/endless', endless]]),
        onAuditEvent: (event) => events.push(event),
      }),
    );
    server = createSecureServer(
      {
        cert: serving.certificatePem,
        key: serving.privateKeyPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        filter(request as never, response as never, () => response.end('application'));
      },
    );
    server.on('session', (session) => session.on('error', () => undefined));
    await listen(server);
  });
  afterAll(() => {
    for (const session of sessions) session.destroy();
  });

  function open(pair?: IssuedCertificate): ClientHttp2Session {
    const session = connect(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      rejectUnauthorized: false,
      ...(pair === undefined ? {} : { cert: pair.certificatePem, key: pair.privateKeyPem }),
    });
    session.on('error', () => undefined);
    sessions.push(session);
    return session;
  }

  async function ask(
    session: ClientHttp2Session,
    path: string,
    { token, method = 'GET', ...headers }: Record<string, string> = {},
  ): Promise<{ status: number; body: string; headers: Readonly<Record<string, unknown>> }> {
    const stream = session.request({
      ':path': path,
      ':method': method,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    });
    const [answer] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>];
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    return { status: Number(answer[':status']), body, headers: answer };
  }

  it.each([
    ['a certificate', true, {}, 200],
    ['a token', false, { token: 'scraper-token' }, 200],
    ['a token in another spelling of the scheme', false, { authorization: 'bearer scraper-token' }, 200],
    ['a certificate beside a bad token', true, { token: 'nope' }, 200],
    ['a bad token', false, { token: 'nope' }, 401],
    ['another token', false, { token: 'mallory-token' }, 403],
    ['nothing', false, {}, 403],
    ['an impersonation', false, { token: 'admin-token', 'impersonate-user': 'scraper' }, 403],
    ['the header of a front proxy', false, { 'x-remote-user': 'scraper' }, 403],
  ])('%s is what it is over HTTP/1', async (_name, hasCertificate, headers, status) => {
    const session = open(hasCertificate ? scraper : undefined);
    const answer = await ask(session, '/metrics', headers);
    expect(answer.status).toBe(status);
    expect(answer.body.includes('demo_total 3\n')).toBe(status === 200);
    expect(answer.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['/metrics', 'HEAD', 'admin-token', 200, ''],
    ['/metrics', 'POST', 'admin-token', 405, 'MethodNotAllowed'],
    ['/metrics?a=b', 'GET', 'scraper-token', 200, 'demo_total 3'],
    ['/clusters/root/metrics', 'GET', 'admin-token', 501, 'not available at workspace scope'],
    ['/clusters/root/metrics', 'HEAD', 'admin-token', 501, ''],
    ['//metrics', 'GET', 'admin-token', 307, 'Temporary Redirect'],
    ['/METRICS', 'GET', 'admin-token', 404, 'NotFound'],
    ['/clusters/A/metrics', 'GET', 'admin-token', 400, 'invalid cluster'],
    ['/hello', 'GET', 'nope', 200, 'application'],
  ])('%s by %s', async (path, method, token, status, body) => {
    const answer = await ask(open(), path, { token, method });
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(body);
    if (method === 'HEAD') expect(answer.body).toBe('');
  });

  it('many streams of one connection are each their own request, whose certificate is read once', async () => {
    const session = open(scraper);
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => ask(session, '/metrics')),
      ...Array.from({ length: 20 }, () => ask(session, '/clusters/root/metrics')),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 20 }, () => 200),
      ...Array.from({ length: 20 }, () => 501),
    ]);
  });

  it('leaves the events that HTTP/1 leaves', async () => {
    events.length = 0;
    const answer = await ask(open(scraper), '/metrics', { 'user-agent': 'Prometheus/3' });
    await expect.poll(() => events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      auditId: answer.headers['audit-id'],
      code: 200,
      verb: 'get',
      path: '/metrics',
      userAgent: 'Prometheus/3',
      sourceIps: ['127.0.0.1'],
      identity: { name: 'scraper' },
    });
  });

  it.each(['its stream', 'its connection'])(
    'a client that ends %s in the middle frees what its body holds',
    async (what) => {
      endless.isBroken = false;
      const session = open();
      const stream = session.request({ ':path': '/metrics/endless', authorization: 'Bearer admin-token' });
      stream.on('error', () => undefined);
      await once(stream, 'data');
      const closed = once(endless, 'closed');
      if (what === 'its stream') stream.close(constants.NGHTTP2_CANCEL);
      else session.destroy();
      await closed;
      await expect.poll(() => endless.signal?.aborted).toBe(true);
    },
  );

  it('half a body ends in an error, and never looks like a whole one', async () => {
    endless.isBroken = true;
    const stream = open().request({ ':path': '/metrics/endless', authorization: 'Bearer admin-token' });
    stream.resume();
    await expect(once(stream, 'end')).rejects.toThrow('NGHTTP2_INTERNAL_ERROR');
  });
});
