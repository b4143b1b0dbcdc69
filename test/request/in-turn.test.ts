import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import type { Exposition } from '../../src/exposition/exposition.js';
import { metricsFilter, type MetricsFilterOptions } from '../../src/request/guard.js';
import { localAuthority } from '../support/local-authority.js';
import { atEnd } from '../support/ending.js';
import { filterOptions } from '../support/filter.js';
import { listenFilter } from '../exposition/sources/upstream/upstream-servers.js';
import { listenHttp, listen, type Listening } from '../support/listening.js';
import { guard, textFormat } from '../exposition/sources/upstream/upstream-setting.js';

const scrapeRequest = (token = 'admin-token'): string =>
  `GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`;

/** Sends all at once over one connection. */
async function pipeline({ port }: Listening, requests: readonly string[]): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  atEnd(() => client.destroy());
  client.on('error', () => undefined);
  await once(client, 'connect');
  client.write(requests.join(''));
  return client;
}

/** All that comes until `end` has come so often. */
async function received(client: Socket, end: string, times: number): Promise<string> {
  let text = '';
  for await (const chunk of client as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.split(end).length > times) break;
  }
  return text;
}

/** It may be reset. */
async function closed(connection: Socket | undefined): Promise<void> {
  if (connection === undefined || connection.closed) return;
  await new Promise((resolve) => connection.once('close', resolve));
}

async function serve(
  render: () => Promise<string>,
  overrides: Partial<MetricsFilterOptions> = {},
): Promise<Listening> {
  const exposition: Exposition = {
    contentType: () => textFormat,
    render: async () => ({ contentType: textFormat, body: await render() }),
  };
  const listening = await listenFilter(exposition, overrides);
  return listening;
}

const { serving } = await localAuthority();

const filler = 'x'.repeat(12_000);
const pipelined = {
  'long headers': `GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nA: ${filler}\r\n\r\n`,
  'a body each': `GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nContent-Length: 12000\r\n\r\n${filler}`,
  'chunked bodies': `GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nTransfer-Encoding: chunked\r\n\r\n2ee0\r\n${filler}\r\n0\r\n\r\n`,
  'paths that are turned away at once': `GET /clusters/root/metrics HTTP/1.1\r\nHost: a\r\nA: ${filler}\r\n\r\n`,
  'paths of the application': `GET /hello HTTP/1.1\r\nHost: a\r\nA: ${filler}\r\n\r\n`,
} as const;

describe('requests that wait with many bytes', () => {
  const cases = Object.entries(pipelined).flatMap(([what, request]) =>
    (['/slow', '/metrics'] as const).flatMap((before) =>
      (['http', 'https'] as const).map((transport) => ({ what, request, before, transport })),
    ),
  );

  it.each(cases)('($what, behind $before, over $transport) are not read any further', async (given) => {
    const count = 200;
    let goOn: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (goOn = resolve));
    let first: Socket | undefined;
    const filter = metricsFilter(
      filterOptions({
        exposition: {
          contentType: () => textFormat,
          render: async () => {
            await slow;
            return { contentType: textFormat, body: 'a 1\n' };
          },
        },
      }),
    );
    const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
      first ??= incoming.socket;
      filter(incoming, response, () => {
        if (incoming.url === '/slow') void slow.then(() => response.end());
        else response.end('hello');
      });
    };
    const server = await listen(
      given.transport === 'http'
        ? createServer(answer)
        : createTlsServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, answer),
    );
    const client =
      given.transport === 'http'
        ? connect(server.port, '127.0.0.1')
        : connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
    atEnd(() => client.destroy());
    client.on('error', () => undefined);
    client.write(scrapeRequest().replace('/metrics', given.before));
    await expect.poll(() => first?.bytesRead).toBeGreaterThan(0);
    client.write(given.request.repeat(count));
    await expect.poll(() => first?.isPaused()).toBe(true);
    // What is still to be read would be by now.
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(first?.bytesRead).toBeLessThan(160 * 1024);
    goOn();
    await received(client, 'HTTP/1.1 ', count + 1);
    expect(first?.destroyed).toBe(false);
  });
});

describe('scrapes that are sent before the answers to earlier ones are there', () => {
  it('are rendered one after the other, and answered in their order', async () => {
    let underWay = 0;
    let most = 0;
    let rendered = 0;
    const server = await serve(async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise(setImmediate);
      underWay -= 1;
      rendered += 1;
      return `scrape ${rendered}.\n`;
    });
    const client = await pipeline(
      server,
      Array.from({ length: 50 }, () => scrapeRequest()),
    );
    const text = await received(client, '.\n', 50);
    const order = [...text.matchAll(/scrape (\d+)\./g)].map(([, number]) => Number(number));
    expect(order).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
    expect(most).toBe(1);
  });

  it('have a turn of the event loop each, so that others have theirs', async () => {
    let turn = 0;
    let isOver = false;
    const next = (): void => {
      turn += 1;
      if (!isOver) setImmediate(next);
    };
    const turns = new Set<number>();
    const server = await serve(() => {
      turns.add(turn);
      return Promise.resolve('a 1\n');
    });
    setImmediate(next);
    const client = await pipeline(server, [scrapeRequest().repeat(50)]);
    await received(client, 'a 1\n', 50);
    isOver = true;
    expect(turns.size).toBe(50);
  });

  it('ask an upstream one after the other, and leave no connection to it when their client goes away', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat });
      // More than all buffers on the way hold: it never ends by itself.
      response.write(Buffer.alloc(1024 * 1024, 'a 1\n'));
    });
    const filter = await guard(upstream);
    const client = await pipeline(
      filter,
      Array.from({ length: 50 }, () => scrapeRequest()),
    );
    await once(client, 'data');
    const [connection] = upstream.open;
    expect(upstream.open.size).toBe(1);
    client.destroy();
    await closed(connection);
    expect([upstream.open.size, upstream.connections()]).toEqual([0, 1]);
  });

  it('are decided when it is their turn: what was decided is in the audit log', async () => {
    const events: AuditEvent[] = [];
    let asked = 0;
    let begun: () => void = () => undefined;
    const rendering = new Promise<void>((resolve) => (begun = resolve));
    const server = await serve(
      () => {
        begun();
        return new Promise(() => undefined);
      },
      {
        onAuditEvent: (event) => events.push(event),
        authorizers: [
          {
            name: 'Counting',
            authorize: () => {
              asked += 1;
              return { decision: 'allow', reason: '' };
            },
          },
        ],
      },
    );
    const client = await pipeline(server, [scrapeRequest(), scrapeRequest(), scrapeRequest('mallory-token')]);
    await rendering;
    const [connection] = server.open;
    client.destroy();
    await closed(connection);
    expect([asked, events.map(({ path }) => path)]).toEqual([1, ['/metrics']]);
  });

  it('are not held without end: a connection on which more wait than anybody needs is closed', async () => {
    let asked = 0;
    const server = await serve(() => Promise.resolve('a 1\n'), {
      authenticators: [
        {
          name: 'Silent',
          authenticate: () => {
            asked += 1;
            return new Promise(() => undefined);
          },
        },
      ],
    });
    const client = await pipeline(server, [scrapeRequest()]);
    await expect.poll(() => asked).toBe(1);
    const [connection] = server.open;
    client.write(scrapeRequest().repeat(200));
    await expect.poll(() => connection?.bytesRead).toBe(201 * scrapeRequest().length);
    expect(connection?.destroyed).toBe(false);
    client.write(scrapeRequest().repeat(1000));
    await closed(connection);
    expect(asked).toBe(1);
  });

  it('wait for those alone that are before them', async () => {
    const server = await serve(() => Promise.resolve('a 1\n'));
    const client = await pipeline(server, [
      'GET /clusters/root/metrics HTTP/1.1\r\nHost: a\r\n\r\n',
      scrapeRequest('unknown-token'),
      scrapeRequest(),
    ]);
    const text = await received(client, 'a 1\n', 1);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual([
      '501',
      '401',
      '200',
    ]);
  });
});
