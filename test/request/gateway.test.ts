import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { openMetricsFilter } from '../../src/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  backend,
  gatewayPolicy,
  gatewayWith,
  listening,
  optionsOfGateway,
  recordingBackend,
  textOf,
  type GatewayUnderTest,
} from './gateway-setting.js';

const mebibyte = 1024 * 1024;
const tenantHeader = ['X-Scope-OrgID=group:tenant:'];

describe('a path of the gateway', () => {
  it('is passed on with method, query and body, and the answer with status, headers and body', async () => {
    const { url, received } = await recordingBackend((_, response) => {
      response.writeHead(400, {
        'Content-Type': 'text/plain',
        'Retry-After': '7',
        'X-Prometheus-Remote-Write-Samples-Written': '3',
        'Set-Cookie': 'session=1',
        Server: 'backend',
        Location: 'http://internal.example.org/',
      });
      response.end('out of order sample\n');
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const answer = await gateway.ask('/push?db=a%20b&x=1', {
      body: Buffer.from([0, 255, 10, 13]),
      headers: {
        'Content-Type': 'application/x-protobuf',
        'Content-Encoding': 'snappy',
        'X-Prometheus-Remote-Write-Version': '0.1.0',
      },
    });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      target: '/push?db=a%20b&x=1',
      body: Buffer.from([0, 255, 10, 13]),
      headers: {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'content-length': '4',
        'x-prometheus-remote-write-version': '0.1.0',
      },
    });
    expect(answer).toMatchObject({
      status: 400,
      body: 'out of order sample\n',
      headers: {
        'content-type': 'text/plain',
        'retry-after': '7',
        'x-prometheus-remote-write-samples-written': '3',
        'cache-control': 'no-cache, private',
        'x-content-type-options': 'nosniff',
      },
    });
    expect(Object.keys(answer.headers)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:set-cookie|server|location)$/)]),
    );
  });

  it.each([
    ['POST', 'writer-token', 204],
    ['PUT', 'writer-token', 204],
    ['DELETE', 'writer-token', 204],
    ['GET', 'reader-token', 204],
    ['POST', 'reader-token', 403],
    ['GET', 'mallory-token', 403],
    ['POST', 'wrong', 401],
    ['TRACE', 'writer-token', 405],
    ['PROPFIND', 'writer-token', 405],
  ])('is decided on by method and path: %s by %s is %i', async (method, token, status) => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], anonymousAuth: false });
    const answer = await gateway.ask('/push', { method, token });
    expect(answer.status).toBe(status);
    expect(received.length).toBe(status === 204 ? 1 : 0);
    if (status === 403) {
      const user = token.replace('-token', '');
      expect(JSON.parse(answer.body)).toMatchObject({
        message: `forbidden: User "${user}" cannot ${method.toLowerCase()} path "/push": access denied`,
      });
    }
  });

  it.each([
    ['/clusters/root:org/push', 501],
    ['/clusters/root/push', 501],
    ['/clusters/*/loki/api/v1/push', 501],
    ['/push/', 418],
    ['/PUSH', 418],
    ['//push', 418],
    ['/a/../push', 418],
    ['/pus%68', 204],
    ['/push%00', 418],
    ['/push;x', 418],
    ['/push%2f', 418],
    ['/loki', 418],
    ['/loki/', 204],
    ['/loki/api/v1/push', 204],
    ['/loki/../push', 418],
    ['/loki/%2e%2e/push', 418],
    ['/loki/%252e%252e/push', 418],
    ['/loki/..;/push', 418],
    ['/loki\\..\\push', 418],
  ])('is canonical, without a scope: %s is %i', async (path, status) => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`, `/loki/*=${url}`] });
    expect((await gateway.ask(path)).status).toBe(status);
    expect(received.length).toBe(status === 204 ? 1 : 0);
  });

  it('below /* reaches the backend as it was decided on', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/loki/*=${url}`, `/loki/push=${url}/other`] });
    for (const path of [
      '/loki/a%2fb%3Fc%23d',
      '/loki/%61?x=%2f#y',
      '/loki/push',
      'http://elsewhere/loki/x',
    ]) {
      expect((await gateway.ask(path)).status).toBe(204);
    }
    expect(received.map(({ target }) => target)).toEqual([
      '/loki/a/b%3Fc%23d',
      '/loki/a?x=%2f%23y',
      '/other',
      '/loki/x',
    ]);
    expect(new Set(received.map(({ headers }) => headers.host))).toEqual(
      new Set([url.slice('http://'.length)]),
    );
  });

  it('that Kubernetes takes for one of resources is granted by rules that name it alone', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/api/v1/push=${url}`, `/api/v1/query=${url}`] });
    const statuses = [];
    for (const [method, path, token] of [
      ['POST', '/api/v1/push', 'writer-token'],
      ['GET', '/api/v1/push', 'reader-token'],
      ['GET', '/api/v1/query', 'reader-token'],
      ['GET', '/api/v1/query', 'admin-token'],
    ] as const) {
      statuses.push((await gateway.ask(path, { method, token })).status);
    }
    expect(statuses).toEqual([204, 403, 403, 204]);
    expect(received).toHaveLength(2);
  });

  it.each(['/api/search', '/apis/search', '/apis/a/b', '/openapi/search'])(
    'that everybody may get to discover resources is granted by rules that name it alone: %s',
    async (path) => {
      const { url, received } = await recordingBackend();
      const gateway = await gatewayWith({ gatewayPath: [`${path}=${url}`] });
      const statuses = [];
      for (const token of ['mallory-token', 'reader-token', 'writer-token']) {
        statuses.push((await gateway.ask(path, { method: 'GET', token })).status);
      }
      const isNamed = path === '/api/search';
      expect(statuses).toEqual([403, 403, isNamed ? 204 : 403]);
      expect(received).toHaveLength(isNamed ? 1 : 0);
    },
  );

  it.each(['/push', 'push', '/pu*', '/*', '/loki/x', '/loki/api/*'])(
    'is never open to everybody: always-allow path %s',
    async (pattern) => {
      const options = optionsOfGateway({
        gatewayPath: ['/push=http://127.0.0.1:1', '/loki/*=http://127.0.0.1:1'],
        authorizationAlwaysAllowPaths: ['/healthz', pattern],
      });
      await expect(openMetricsFilter(options)).rejects.toThrow(
        /^gatewayPath: .* cannot be open to everybody/,
      );
    },
  );

  it('is refused for those in maintenance, one tenant and not the other', async () => {
    const { url, received } = await recordingBackend();
    const directory = temporaryDirectory();
    const gateway = await gatewayWith({
      gatewayPath: [`/push=${url}`],
      tenantHeader,
      maintenanceFile: directory.write('maintenance.yaml', 'groups: ["tenant:acme"]\n'),
    });
    const refused = await gateway.ask('/push', { body: 'a' });
    const passed = await gateway.ask('/push', { body: 'b', token: 'globex-token' });
    expect([refused.status, refused.headers['retry-after'], passed.status]).toEqual([503, '30', 204]);
    expect(JSON.parse(refused.body)).toMatchObject({ message: 'this path is not served during maintenance' });
    expect(received.map(({ headers }) => headers['x-scope-orgid'])).toEqual(['globex']);
  });

  it('leaves an audit event and is counted', async () => {
    const { url } = await recordingBackend((_, response) => response.end('ok'));
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    await gateway.ask('/push?token=secret', { body: 'abc' });
    const [event] = gateway.events;
    expect(event).toMatchObject({
      verb: 'post',
      path: '/push',
      code: 200,
      identity: { name: 'writer' },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    });
    expect(await gatewayMetrics(gateway)).toEqual([
      'kcp_metrics_filter_gateway_bytes_total{path="/push",direction="answer"} 2',
      'kcp_metrics_filter_gateway_bytes_total{path="/push",direction="request"} 3',
      'kcp_metrics_filter_gateway_requests_total{path="/push",code="2xx"} 1',
    ]);
  });

  it.each([
    ['HEAD', 200, '12'],
    ['GET', 204, undefined],
    ['GET', 304, undefined],
  ])('answers %s with %i and no body', async (method, status, length) => {
    const { url } = await recordingBackend((_, response) => {
      response.writeHead(status, { ETag: '"a"', ...(method === 'HEAD' && { 'Content-Length': '12' }) }).end();
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const answer = await gateway.ask('/push', { method });
    expect(answer).toMatchObject({ status, body: '', headers: { etag: '"a"' } });
    expect(answer.headers['content-length']).toBe(length);
  });
});

async function gatewayMetrics(gateway: GatewayUnderTest): Promise<readonly string[]> {
  const { body } = await gateway.ask('/metrics', { method: 'GET', token: 'admin-token' });
  return body
    .split('\n')
    .filter((line) => line.startsWith('kcp_metrics_filter_gateway_'))
    .sort();
}

describe('who is told to the backend', () => {
  const forged = {
    'X-Scope-OrgID': 'globex',
    'x-scope-orgid': 'globex',
    'X-Remote-User': 'root',
    'X-Remote-Group': 'system:masters',
    'X-Remote-Groups': 'system:masters',
    'X-Remote-Extra-Scopes': 'a',
    'X-Forwarded-For': '10.0.0.1',
    'X-Forwarded-User': 'root',
    'X-WebAuth-User': 'root',
    Forwarded: 'for=10.0.0.1',
    'THANOS-TENANT': 'globex',
    Cookie: 'session=1',
    'Proxy-Authorization': 'Basic YTpi',
    Connection: 'keep-alive, x-hop',
    'X-Hop': 'a',
    TE: 'trailers',
    Upgrade: 'websocket',
    'Keep-Alive': 'timeout=5',
    Host: 'elsewhere.example.org',
  };

  it('is nobody, unless that is configured', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    expect((await gateway.ask('/push', { headers: forged, body: 'a' })).status).toBe(204);
    expect(Object.keys(received[0]?.headers ?? {}).sort()).toEqual([
      'connection',
      'content-length',
      'host',
      'user-agent',
    ]);
    expect(received[0]?.headers).toMatchObject({
      host: url.slice('http://'.length),
      connection: 'keep-alive',
    });
  });

  it('is the authenticated user and tenant, whatever the client claims', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({
      gatewayPath: [`/push=${url}`],
      tenantHeader,
      authHeaderFieldsEnabled: true,
    });
    await gateway.ask('/push', { headers: forged });
    expect(received[0]?.headers).toMatchObject({
      'x-scope-orgid': 'acme',
      'x-remote-user': 'writer',
      'x-remote-groups': 'writers|tenant:acme|system:authenticated',
    });
  });

  it('is told apart from service accounts of the same name in other workspaces', async () => {
    const { url, received } = await recordingBackend();
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const directory = temporaryDirectory();
    const tokenOf = (clusterName: string) =>
      new SignJWT({
        'kubernetes.io': { namespace: 'ns', serviceaccount: { name: 'sender', uid: '1' }, clusterName },
      })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('issuer')
        .setAudience('audience')
        .setSubject('system:serviceaccount:ns:sender')
        .setExpirationTime('1h')
        .sign(privateKey);
    const rbac = temporaryDirectory();
    const granted = gatewayPolicy.replaceAll('name: writers }', 'name: system:authenticated }');
    rbac.write('policy.yaml', granted);
    const gateway = await gatewayWith({
      ...{ gatewayPath: [`/push=${url}`], rbacDir: rbac.path },
      serviceAccountKeyFile: [
        directory.write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString()),
      ],
      ...{ serviceAccountIssuer: ['issuer'], apiAudiences: ['audience'] },
      ...{ authHeaderFieldsEnabled: true, tenantHeader: ['X-Scope-OrgID=cn'] },
    });
    for (const home of ['1aaa', '1bbb'])
      expect((await gateway.ask('/push', { token: await tokenOf(home) })).status).toBe(204);
    const names = ['1aaa', '1bbb'].map((home) => `system:kcp:serviceaccount:${home}:ns:sender`);
    const groups = 'system:authenticated';
    expect(received.map(({ headers }) => headers)).toMatchObject(
      names.map((name) => ({ 'x-scope-orgid': name, 'x-remote-user': name, 'x-remote-groups': groups })),
    );
  });

  it('has to be of one tenant, where tenants are told apart', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], tenantHeader });
    const answer = await gateway.ask('/push', { method: 'GET', token: 'reader-token', headers: forged });
    expect([answer.status, (JSON.parse(answer.body) as { message: string }).message]).toEqual([
      403,
      'no tenant',
    ]);
    expect(received).toEqual([]);
  });

  it('is never impersonated', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    expect((await gateway.ask('/push', { headers: { 'Impersonate-User': 'root' } })).status).toBe(403);
    expect(received).toEqual([]);
  });
});

describe('a body', () => {
  it('arrives byte for byte under the name of its own tenant, however it is cut', async () => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], tenantHeader });
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { maxLength: 8 });
    const sent = fc.record({ tenant: fc.constantFrom('acme', 'globex'), pieces, isChunked: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 6 }), async (requests) => {
        received.splice(0);
        const answers = await Promise.all(
          requests.map(({ tenant, pieces: cut, isChunked }, at) => {
            const buffers = cut.map((piece) => Buffer.from(piece));
            return gateway.ask(`/push?at=${at}`, {
              token: tenant === 'acme' ? 'writer-token' : 'globex-token',
              headers: { 'X-Scope-OrgID': tenant === 'acme' ? 'globex' : 'acme' },
              body: isChunked ? buffers : Buffer.concat(buffers),
            });
          }),
        );
        expect(answers.map(({ status }) => status)).toEqual(requests.map(() => 204));
        const arrived = new Map(received.map(({ target, headers, body }) => [target, { headers, body }]));
        for (const [at, { tenant, pieces: cut }] of requests.entries()) {
          const got = arrived.get(`/push?at=${at}`);
          expect(got?.headers['x-scope-orgid']).toBe(tenant);
          expect(got?.body.equals(Buffer.concat(cut))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['as large as allowed, with its length', 1000, false, 204],
    ['as large as allowed, in chunks', 1000, true, 204],
    ['larger, with its length', 1001, false, 413],
    ['larger, in chunks', 1001, true, 413],
    ['much larger, in chunks', 3 * mebibyte, true, 413],
  ])('%s', async (_, bytes, isChunked, status) => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], gatewayMaxBody: 1000 });
    const body = Buffer.alloc(bytes, 'x');
    const half = Math.floor(bytes / 2);
    const answer = await gateway.ask('/push', {
      body: isChunked ? [body.subarray(0, half), body.subarray(half)] : body,
    });
    expect(answer.status).toBe(status);
    expect(received.length).toBe(status === 204 ? 1 : 0);
    if (status === 413) {
      expect(JSON.parse(answer.body)).toMatchObject({
        reason: 'RequestEntityTooLarge',
        message: 'Request entity too large: limit is 1000',
      });
    }
  });

  it('is read no faster than the backend takes it', async () => {
    const begun: IncomingMessage[] = [];
    const url = await backend((incoming) => begun.push(incoming));
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], gatewayMaxBody: 200 * mebibyte });
    const sending = gateway.begin('/push', { headers: { 'Content-Length': String(100 * mebibyte) } });
    const piece = Buffer.alloc(mebibyte, 'x');
    const isTaken = (): Promise<boolean> =>
      Promise.race([
        new Promise<boolean>((resolve) => {
          sending.write(piece, () => {
            resolve(true);
          });
        }),
        pause(500, false),
      ]);
    let written = 0;
    // What fits into the buffers of four sockets, and no more.
    while (written < 100 * mebibyte && (await isTaken())) written += piece.length;
    expect(written).toBeLessThan(50 * mebibyte);
    expect(begun).toHaveLength(1);
    sending.destroy();
  });

  it('is read in several turns of the event loop where it comes in thousands of tiny chunks', async () => {
    const chunks = 3000;
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const pauses = vi.spyOn(IncomingMessage.prototype, 'pause');
    const socket = connect(gateway.port, '127.0.0.1');
    try {
      const head =
        'POST /push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer writer-token\r\nConnection: close\r\n';
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(chunks)}0\r\n\r\n`);
      await once(socket.resume(), 'close');
      expect(received.map(({ body }) => body.length)).toEqual([chunks]);
      expect(pauses.mock.calls.length).toBeGreaterThan(chunks / 100);
    } finally {
      pauses.mockRestore();
      socket.destroy();
    }
  });

  it.each([
    ['a', 400],
    ['more than sixteen bytes.', 204],
  ])('is refused in more than 4096 pieces that are tiny: %s', async (piece, status) => {
    const { url } = await recordingBackend();
    const { port } = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    const head =
      'POST /push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer writer-token\r\nConnection: close\r\n';
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5000)}0\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    socket.destroy();
  });

  it('of a client that goes away never looks whole to the backend', async () => {
    const ended: string[] = [];
    let onBegun: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (onBegun = resolve));
    let onClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (onClosed = resolve));
    const url = await backend((incoming) => {
      incoming.on('end', () => ended.push('end')).on('error', () => undefined);
      incoming.once('data', onBegun);
      incoming.once('close', onClosed);
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const sending = gateway.begin('/push');
    sending.write('half');
    await begun;
    sending.destroy();
    await closed;
    expect(ended).toEqual([]);
  });

  it.each([
    ['length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked'],
    ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 3'],
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 4'],
    ['the same length twice', 'Content-Length: 3\r\nContent-Length: 3'],
    ['a list of lengths', 'Content-Length: 3, 3'],
    ['a signed length', 'Content-Length: +3'],
    ['a length in hexadecimal', 'Content-Length: 0x3'],
    ['another coding', 'Transfer-Encoding: gzip, chunked'],
    ['chunks twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
    ['chunks that are not last', 'Transfer-Encoding: chunked, identity'],
    ['an unknown coding', 'Transfer-Encoding: xchunked'],
    ['a blank before the colon', 'Transfer-Encoding : chunked'],
    ['a folded line', 'Transfer-Encoding:\r\n chunked'],
    ['chunks in HTTP/1.0', 'Connection: keep-alive\r\nTransfer-Encoding: chunked', '1.0'],
    ['chunks in HTTP/0.9', 'Connection: keep-alive\r\nTransfer-Encoding: chunked', '0.9'],
    ['chunks in HTTP/2.0 without its frames', 'Transfer-Encoding: chunked', '2.0'],
  ])('with an ambiguous end is refused, and so is what follows: %s', async (_, lines, version = '1.1') => {
    const { url, received } = await recordingBackend();
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.setEncoding('utf8');
    let read = '';
    socket.on('data', (text: string) => (read += text)).on('error', () => undefined);
    socket.end(
      `POST /push HTTP/${version}\r\nHost: a\r\nAuthorization: Bearer writer-token\r\n${lines}\r\n\r\n` +
        '3\r\nabc\r\n0\r\n\r\nGET /push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer writer-token\r\n\r\n',
    );
    await once(socket, 'close');
    expect(read).toMatch(/^HTTP\/1\.1 400 /);
    expect(received).toEqual([]);
  });

  it('is limited in bytes a second, by user', async () => {
    const { url } = await recordingBackend();
    const gateway = await gatewayWith({
      gatewayPath: [`/push=${url}`],
      gatewayMaxBytesPerSecondByIdentity: 100_000,
    });
    const send = (token: string) => gateway.ask('/push', { token, body: Buffer.alloc(190_000) });
    expect((await send('writer-token')).status).toBe(204);
    await send('writer-token');
    const refused = await gateway.ask('/push', { body: 'a' });
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
    expect((await send('globex-token')).status).toBe(204);
    expect((await gateway.ask('/push', { method: 'GET' })).status).toBe(204);
    const { body } = await gateway.ask('/metrics', { method: 'GET', token: 'admin-token' });
    expect(body).toContain('kcp_metrics_filter_limited_requests_total{by="bytes"} 1\n');
  });
});

describe('a backend that fails', () => {
  it.each<readonly [string, string, number]>([
    ['closes the connection', '', 502],
    ['speaks another protocol', 'SSH-2.0-x\r\n', 502],
    ['marks no end of its answer', 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf', 502],
    ['uses a coding of its own', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 502],
    ['switches to another protocol', 'HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n', 502],
    ['answers with a status below all', 'HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok', 502],
    ['answers with a status beyond all', 'HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok', 502],
  ])('%s', async (_, said, status) => {
    const port = await listening(
      createNetServer((socket) => {
        socket.once('data', () => socket.end(said));
      }),
    );
    const gateway = await gatewayWith({ gatewayPath: [`/push=http://127.0.0.1:${port}`] });
    const answer = await gateway.ask('/push', { body: 'abc' });
    expect([answer.status, answer.body]).toEqual([status, 'Bad Gateway\n']);
  });

  it('is not there', async () => {
    const gateway = await gatewayWith({ gatewayPath: ['/push=http://127.0.0.1:1'] });
    expect((await gateway.ask('/push', { body: 'abc' })).status).toBe(502);
    const { body } = await gateway.ask('/metrics', { method: 'GET', token: 'admin-token' });
    expect(body).toContain(
      'kcp_metrics_filter_upstream_failures_total{upstream="/push",reason="unavailable"} 1\n',
    );
  });

  it('does not answer in time', async () => {
    const url = await backend(() => undefined);
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`], gatewayTimeout: '100ms' });
    expect((await gateway.ask('/push', { body: 'abc' })).status).toBe(504);
  });

  it('breaks off: the answer does, too', async () => {
    const url = await backend((incoming, response) => {
      incoming.resume();
      response.write('half');
      setImmediate(() => response.destroy());
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    await expect(gateway.ask('/push', { body: 'abc' })).rejects.toThrow();
  });

  it('answers before it has the body: the answer counts, and the next request is answered, too', async () => {
    const url = await backend((_, response) => {
      response.writeHead(429, { 'Content-Length': '2', 'Retry-After': '3' }).end('no');
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const begun = gateway.begin('/push', { headers: { 'Content-Length': '100000' } });
    begun.write(Buffer.alloc(50_000));
    const [answer] = (await once(begun, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['retry-after'], await textOf(answer)]).toEqual([
      429,
      '3',
      'no',
    ]);
    begun.end(Buffer.alloc(50_000));
    expect((await gateway.ask('/push', { body: 'a' })).status).toBe(429);
  });

  it('is asked no more once the client has gone', async () => {
    let onAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (onAsked = resolve));
    let onGone: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (onGone = resolve));
    const url = await backend((incoming, response) => {
      incoming.resume().once('end', onAsked);
      response.once('close', onGone);
    });
    const gateway = await gatewayWith({ gatewayPath: [`/push=${url}`] });
    const sending = gateway.begin('/push');
    sending.end('abc');
    await asked;
    sending.destroy();
    await gone;
    await expect
      .poll(() => gatewayMetrics(gateway))
      .toContain('kcp_metrics_filter_gateway_requests_total{path="/push",code="none"} 1');
  });
});
