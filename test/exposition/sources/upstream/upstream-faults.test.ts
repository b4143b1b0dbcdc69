import type { RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { beginScrape, scrape } from './upstream-servers.js';
import { listenHttp, listen } from '../../../support/listening.js';
import { failures, guard, send, textFormat } from './upstream-setting.js';

const timeoutHeader = 'X-Prometheus-Scrape-Timeout-Seconds';

describe('an upstream that gives no exposition', () => {
  const cases: readonly (readonly [string, RequestListener, RegExp])[] = [
    ['answers 500', send('secret', {}, 500), /: answered 500$/],
    ['answers 401', send('secret', {}, 401), /: answered 401$/],
    ['answers 204', send('', {}, 204), /: answered 204$/],
    ['redirects', send('secret', { Location: 'http://169.254.169.254/secret' }, 302), /: answered 302$/],
    ['sends a page', send('secret', { 'Content-Type': 'text/html' }), /: content type "text\/html" is no/],
    ['sends something for a browser', send('secret', { 'Content-Type': 'text/plainer' }), /"text\/plainer"/],
    ['says no type', (_, response) => response.end('secret'), /: content type "" is no/],
    [
      'sends an unknown coding',
      send('secret', { 'Content-Encoding': 'x-secret-coding' }),
      /"x-secret-coding"/,
    ],
    ['hangs up', (request) => request.socket.destroy(), /: connection closed by the server/],
  ];
  it.each(cases)('%s: 502 without a word of it', async (_which, answer, message) => {
    const filter = await guard(await listenHttp(answer));
    const { status, body, headers } = await scrape(filter);
    expect([status, body.toString()]).toEqual([502, 'Bad Gateway\n']);
    expect(JSON.stringify(headers)).not.toContain('secret');
    expect(failures).toHaveLength(1);
    expect(failures[0]?.message).toMatch(message);
    expect(failures[0]?.message).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics: /);
  });

  it('is not there: 502', async () => {
    const upstream = await listenHttp(send('a 1\n'));
    await upstream.close();
    const { status } = await scrape(await guard(upstream));
    expect(status).toBe(502);
    expect(failures[0]?.message).toMatch(/: connection refused \(ECONNREFUSED\)$/);
  });

  it.each([
    ['HTTP/1.0', 'a 1\n', ''],
    ['HTTP/1.1', 'a 1\n', 'Connection: close\r\n'],
    ['HTTP/1.1', 'a 1\n', 'Transfer-Encoding: gzip\r\n'],
    ['HTTP/1.1', 'a 1\n'.repeat(100_000), ''],
  ])(
    'ends its answer by closing the connection, which would look whole cut off: 502 (%s)',
    async (version, body, field) => {
      const head = `${version} 200 OK\r\nContent-Type: ${textFormat}\r\n${field}\r\n`;
      const upstream = await listen(createTcpServer((socket) => socket.end(head + body)));
      const { status, body: answered } = await scrape(await guard(upstream));
      expect([status, answered.toString()]).toEqual([502, 'Bad Gateway\n']);
      expect(failures.map(({ message }) => message)).toEqual([
        expect.stringMatching(/: has neither a Content-Length nor chunks: cut off, it would look whole$/),
      ]);
    },
  );

  it.each([
    ['a length', 'HTTP/1.0', 'Content-Length: 4\r\n', 'a 1\n'],
    ['chunks', 'HTTP/1.1', 'Transfer-Encoding: Chunked\r\nConnection: close\r\n', '4\r\na 1\n\r\n0\r\n\r\n'],
  ])('closes the connection behind an answer with %s: 200', async (_what, version, field, body) => {
    const head = `${version} 200 OK\r\nContent-Type: ${textFormat}\r\n${field}\r\n`;
    const upstream = await listen(createTcpServer((socket) => socket.end(head + body)));
    const { status, body: answered } = await scrape(await guard(upstream));
    expect([status, answered.toString()]).toEqual([200, 'a 1\n']);
  });

  it.each([
    ['103 Early Hints', 10, 200],
    ['100 Continue', 10, 200],
    ['103 Early Hints', 1000, 502],
    ['100 Continue', 1000, 502],
  ])('says %s %i times before it answers: %i', async (interim, times, status) => {
    const answer = `HTTP/1.1 200 OK\r\nContent-Type: ${textFormat}\r\nContent-Length: 4\r\n\r\na 1\n`;
    const upstream = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(`HTTP/1.1 ${interim}\r\n\r\n`.repeat(times) + answer));
      }),
    );
    expect((await scrape(await guard(upstream))).status).toBe(status);
    if (status === 200) return;
    const message = ': more than a hundred interim answers before the answer (ERR_INTERIM_ANSWERS)';
    expect(failures[0]?.message).toContain(message);
  });

  it('speaks no HTTP: 502', async () => {
    const upstream = await listen(createTcpServer((socket) => socket.end('secret\r\n\r\n')));
    const { status } = await scrape(await guard(upstream));
    expect(status).toBe(502);
    expect(failures[0]?.message).toMatch(/: the answer is no HTTP \(HPE_\w+\)$/);
  });

  it.each([
    ['never answers', {}, { timeoutMs: 100 }, 100],
    ['does not answer before half of what the scraper waits', { [timeoutHeader]: '0.1' }, {}, 50],
    ['does not answer 200 ms before the scraper goes', { [timeoutHeader]: '0.5' }, {}, 300],
  ])('%s: 504', async (_which, headers, options, afterMs) => {
    const filter = await guard(await listenHttp(() => undefined), options);
    const { status, body } = await scrape(filter, headers);
    expect([status, body.toString()]).toEqual([504, 'Gateway Timeout\n']);
    expect(failures[0]?.message).toMatch(new RegExp(`: no answer within ${afterMs} ms \\(ETIMEDOUT\\)$`));
  });

  it('is served again as soon as it does', async () => {
    let isBroken = true;
    const upstream = await listenHttp((request, response) => {
      (isBroken ? send('', {}, 500) : send('a 1\n'))(request, response);
    });
    const filter = await guard(upstream);
    expect((await scrape(filter)).status).toBe(502);
    isBroken = false;
    expect((await scrape(filter)).body.toString()).toBe('a 1\n');
  });

  it('leaves no connection behind', async () => {
    const upstream = await listenHttp(send('x'.repeat(1_000_000), {}, 500));
    const filter = await guard(upstream);
    await scrape(filter);
    await expect.poll(() => upstream.open.size).toBe(0);
  });
});

describe('an upstream that breaks off in the middle', () => {
  it.each([
    ['with a length', { 'Content-Length': '1000000' }],
    ['without one', {}],
  ])('%s: the transfer breaks off too', async (_which, headers) => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat, ...headers });
      response.write('a 1\n', () => response.socket?.destroy());
    });
    const filter = await guard(upstream);
    await expect(scrape(filter)).rejects.toThrow();
    expect(failures[0]?.message).toMatch(/: connection closed by the server \(ECONNRESET\)$/);
  });

  it('of a short answer: 502, since none of it was passed on', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat, 'Content-Length': '1000' });
      response.write('a 1\n', () => response.socket?.destroy());
    });
    expect((await scrape(await guard(upstream))).status).toBe(502);
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringMatching(/: connection closed by the server \(ECONNRESET\)$/),
    ]);
  });

  it('or falls silent: 504 for a short answer', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat, 'Content-Length': '1000' });
      response.write('a 1\n');
    });
    expect((await scrape(await guard(upstream, { stallTimeoutMs: 100 }))).status).toBe(504);
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringMatching(/: sent nothing for 100 ms \(ETIMEDOUT\)$/),
    ]);
    await expect.poll(() => upstream.open.size).toBe(0);
  });

  it('or falls silent: the same, after its time', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat });
      response.write('a 1\n');
    });
    const filter = await guard(upstream, { stallTimeoutMs: 100 });
    await expect(scrape(filter)).rejects.toThrow();
    expect(failures[0]?.message).toMatch(/: sent nothing for 100 ms \(ETIMEDOUT\)$/);
    await expect.poll(() => upstream.open.size).toBe(0);
  });
});

describe('a scraper that goes away', () => {
  it.each(['before the answer', 'in the middle of the answer'])(
    '%s ends the upstream’s request',
    async (when) => {
      let arrived: () => void = () => undefined;
      const asked = new Promise<void>((resolve) => (arrived = resolve));
      let ended: () => void = () => undefined;
      const left = new Promise<void>((resolve) => (ended = resolve));
      const upstream = await listenHttp((_request, response) => {
        response.once('close', ended);
        if (when !== 'before the answer') {
          response.writeHead(200, { 'Content-Type': textFormat });
          response.write('a 1\n');
        }
        arrived();
      });
      const filter = await guard(upstream);
      const scraping = beginScrape(filter);
      await asked;
      if (when === 'before the answer') {
        for (const socket of filter.open) socket.destroy();
        await expect(scraping).rejects.toThrow();
      } else (await scraping).destroy();
      await left;
      await expect.poll(() => upstream.open.size).toBe(0);
      expect(failures).toEqual([]);
    },
  );
});
