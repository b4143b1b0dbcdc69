import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { keyPairOf, requestOnce } from '../support/raw-tls.js';
import { startRecordedServers, type RecordedServers } from '../support/recorded-servers.js';
import { startProcess, type StartedProcess } from '../support/started-server.js';

/** Resident memory of a process in MiB; undefined where /proc is not to be had. */
function residentMiB(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/** A warrant in a warrant in a warrant; each level doubles its backslashes, so that few levels fill a header. */
function nestedWarrant(levels: number): string {
  let warrant = '{"user":"prometheus"}';
  for (let level = 0; level < levels; level += 1) {
    warrant = JSON.stringify({ user: 'x', extra: { 'authorization.kcp.io/warrant': [warrant] } });
  }
  return warrant;
}

describe('hostile input gets an answer or a closed connection, and the next scrape its exposition', () => {
  let servers: RecordedServers<StartedProcess>;
  beforeAll(async () => {
    servers = await startRecordedServers(startProcess, 'tok-prom,prometheus,uid1\n');
  });

  /** Sends bytes as they are; resolves to the status, or `closed`. */
  function send(bytes: Buffer | string, certificate?: string): Promise<number | 'closed'> {
    const pair = certificate === undefined ? undefined : servers.pki.certificates[certificate];
    return new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: servers.shard.port,
        rejectUnauthorized: false,
        ...keyPairOf(pair),
      });
      let received = '';
      socket.on('data', (data: Buffer) => {
        received += data.toString('latin1');
        const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1];
        if (status === undefined) return;
        resolve(Number(status));
        socket.destroy();
      });
      socket.on('close', () => {
        resolve('closed');
      });
      socket.on('error', () => {
        resolve('closed');
      });
      socket.once('secureConnect', () => socket.write(bytes));
    });
  }
  async function expectHonestScrape(): Promise<void> {
    const headers = { Authorization: 'Bearer tok-prom' };
    expect((await requestOnce({ port: servers.shard.port }, '/metrics', { headers })).status).toBe(200);
  }
  const get = (target: string, ...headers: string[]): string =>
    [`GET ${target} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');
  const fromProxy = (...headers: string[]): string => get('/metrics', 'X-Remote-User: x', ...headers);
  const warrants = (count: number): string[] =>
    Array.from({ length: count }, () => 'X-Remote-Extra-authorization.kcp.io%2Fwarrant: {"user":"y"}');

  const rows: readonly (readonly [
    string,
    Buffer | string,
    string | undefined,
    readonly (number | 'closed')[],
  ])[] = [
    [
      '1,500 header fields',
      get('/metrics', ...Array.from({ length: 1500 }, (_, at) => `a${at}: b`)),
      undefined,
      [431],
    ],
    [
      '100,000 header fields',
      get('/metrics', ...Array.from({ length: 100_000 }, (_, at) => `a${at}: b`)),
      undefined,
      [431, 'closed'],
    ],
    ['a header of 1 MiB', get('/metrics', `a: ${'b'.repeat(1024 * 1024)}`), undefined, [431, 'closed']],
    ['a target of 64 KiB', get(`/${'a'.repeat(65_536)}`), undefined, [431, 'closed']],
    ['a target of 30 KiB of dots', get(`/${'../'.repeat(10_000)}metrics`), undefined, [307]],
    ['a target of 30 KiB of escapes', get('/%2e%2e%2f'.repeat(3000)), undefined, [307]],
    ['a target of 30 KiB of clusters', get('/clusters/a'.repeat(2700)), undefined, [403, 404]],
    ['a broken escape', get('/metrics%zz'), undefined, [400]],
    ['a cut escape', get('/metrics%'), undefined, [400]],
    ['an encoded NUL', get('/metrics%00'), undefined, [404]],
    ['a raw NUL', get('/metrics\0'), undefined, [400, 'closed']],
    [
      'invalid UTF-8 in the target',
      Buffer.from(get('/metrics\xff\xfe'), 'latin1'),
      undefined,
      [400, 403, 404],
    ],
    ['encoded invalid UTF-8', get('/metrics%ff'), undefined, [403, 404]],
    ['a target without a path', get('*'), undefined, [400]],
    ['two hosts', get('/metrics', 'Host: y'), undefined, [400]],
    ['two hosts, one in another case', get('/readyz', 'HOST: x'), undefined, [400]],
    ...['/metrics', '/readyz', '/clusters/root/metrics'].map(
      (target) =>
        [
          `chunks in HTTP/1.0, ${target}`,
          get(target, 'Connection: keep-alive', 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0'),
          undefined,
          [400],
        ] as const,
    ),
    ['no host', 'GET /metrics HTTP/1.1\r\n\r\n', undefined, [400]],
    ['an unknown method', 'BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n', undefined, [400]],
    ['not HTTP at all', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]), undefined, [400, 'closed']],
    [
      'length and chunks at once',
      get('/metrics', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
      undefined,
      [400],
    ],
    ['a token of 20 KiB', get('/metrics', `Authorization: Bearer ${'t'.repeat(20_000)}`), undefined, [401]],
    [
      'a token with control characters',
      Buffer.from(get('/metrics', 'Authorization: Bearer \xff\x80'), 'latin1'),
      undefined,
      [401],
    ],
    [
      'a user of invalid UTF-8',
      Buffer.from(get('/metrics', 'X-Remote-User: \xff\xfe'), 'latin1'),
      'front-proxy',
      [401],
    ],
    [
      'a user called __proto__',
      get('/metrics', 'X-Remote-User: __proto__', 'X-Remote-Extra-__proto__: constructor'),
      'front-proxy',
      [403],
    ],
    ['300 warrants', fromProxy(...warrants(300)), 'front-proxy', [403]],
    [
      '900 groups',
      fromProxy(...Array.from({ length: 900 }, (_, at) => `X-Remote-Group: g${at}`)),
      'front-proxy',
      [403],
    ],
    [
      'an extra of 20 KiB of commas',
      fromProxy(`X-Remote-Extra-authentication.kcp.io%2Fscopes: ${','.repeat(20_000)}`),
      'front-proxy',
      [403],
    ],
    [
      'a warrant that nests as deep as a header can hold',
      fromProxy(`X-Remote-Extra-authorization.kcp.io%2Fwarrant: ${nestedWarrant(7)}`),
      'front-proxy',
      [200],
    ],
    [
      'a warrant of 25 KiB of brackets',
      fromProxy(`X-Remote-Extra-authorization.kcp.io%2Fwarrant: ${'['.repeat(25_000)}`),
      'front-proxy',
      [403],
    ],
    [
      'a warrant of 25 KiB of user',
      fromProxy(`X-Remote-Extra-authorization.kcp.io%2Fwarrant: {"user":"${'u'.repeat(25_000)}"}`),
      'front-proxy',
      [403],
    ],
  ];

  it.each(rows)('%s', async (_name, bytes, certificate, expected) => {
    expect(expected).toContain(await send(bytes, certificate));
    await expectHonestScrape();
  });

  it('a thousand of the worst of them leave no memory behind', async () => {
    const worst = rows.map(([, bytes, certificate]) => [bytes, certificate] as const);
    const round = async (): Promise<void> => {
      for (const [bytes, certificate] of worst) await send(bytes, certificate);
    };
    for (let warmUp = 0; warmUp < 5; warmUp += 1) await round();
    const before = residentMiB(servers.shard.pid);
    for (let rounds = 0; rounds < 30; rounds += 1) await round();
    const after = residentMiB(servers.shard.pid);
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(150);
    await expectHonestScrape();
    expect(servers.shard.log()).not.toContain('request failed');
  }, 120_000);

  it('a hundred clients that never finish their request are cut off, and nobody waits for them', async () => {
    const closed: Promise<unknown>[] = [];
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connect({ host: '127.0.0.1', port: servers.shard.port, rejectUnauthorized: false });
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      socket.once('secureConnect', () => socket.write('GET /metrics HTTP/1.1\r\nX-Slow: '));
      return socket;
    });
    await expectHonestScrape();
    await Promise.all(closed);
    for (const socket of sockets) socket.destroy();
  }, 60_000);
});
