import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { auditLine } from '../../src/audit/audit-line.js';
import type { Authenticator } from '../../src/authentication/authenticator.js';
import { tokenFileAuthenticator } from '../../src/authentication/tokens/token-file.js';
import type { Exposition } from '../../src/exposition/exposition.js';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import type { MetricsFilterOptions } from '../../src/request/guard.js';
import { listenFilter } from '../exposition/sources/upstream/upstream-servers.js';
import type { Listening } from '../support/listening.js';
import { atEnd } from '../support/ending.js';
import { tokens } from '../support/filter.js';

const exposition: Exposition = {
  contentType: () => 'text/plain',
  render: () => Promise.resolve({ contentType: 'text/plain', body: 'a 1\n' }),
};

/** The same tokens, brought by somebody who is a front proxy or not. */
function tokensFrom(isFrontProxy: () => boolean): Authenticator {
  const byToken = tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' });
  return { ...byToken, authenticate: (credentials) => byToken.authenticate(credentials), isFrontProxy };
}

interface Audited {
  readonly events: AuditEvent[];
  readonly listening: Listening;
}

async function audited(overrides: Partial<MetricsFilterOptions> = {}): Promise<Audited> {
  const events: AuditEvent[] = [];
  const listening = await listenFilter(exposition, {
    onAuditEvent: (event) => events.push(event),
    ...overrides,
  });
  return { events, listening };
}

/** `rendering` resolves when it has begun. */
async function rendersForEver() {
  let asked: () => void = () => undefined;
  const rendering = new Promise<void>((resolve) => (asked = resolve));
  const render = (): Promise<never> => {
    asked();
    return new Promise(() => undefined);
  };
  return { rendering, ...(await audited({ exposition: { ...exposition, render } })) };
}

const behindProxy = (): Promise<Audited> => audited({ authenticators: [tokensFrom(() => true)] });
const withoutProxy = (): Promise<Audited> => audited({ authenticators: [tokensFrom(() => false)] });

async function send({ port }: Listening, bytes: string): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  atEnd(() => client.destroy());
  client.on('error', () => undefined);
  await once(client, 'connect');
  client.write(Buffer.from(bytes, 'latin1'));
  return client;
}

async function answerTo(
  listening: Listening,
  target: string,
  headers: readonly string[] = [],
): Promise<string> {
  const lines = [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...headers, '', ''];
  const client = await send(listening, lines.join('\r\n'));
  let text = '';
  for await (const chunk of client as AsyncIterable<Buffer>) text += chunk.toString();
  return text;
}

async function eventOf(
  { events, listening }: Audited,
  target: string,
  headers?: readonly string[],
): Promise<AuditEvent> {
  const before = events.length;
  await answerTo(listening, target, headers);
  await vi.waitUntil(() => events.length > before, { timeout: 5000, interval: 2 });
  const event = events.at(-1);
  if (event === undefined) throw new Error('there is no event');
  return event;
}

const admin = 'Authorization: Bearer admin-token';
const forbidden = { reason: 'Forbidden', hasDetails: true };

describe('an audit event', () => {
  it.each([
    ['/metrics', [admin], 200, undefined],
    ['/metrics', ['Authorization: Bearer mallory-token'], 403, forbidden],
    [
      '/metrics',
      ['Authorization: Bearer x'],
      401,
      { reason: 'Unauthorized', message: 'Unauthorized', hasDetails: false },
    ],
    ['/clusters/root/metrics', [], 501, undefined],
    ['/metrics/none', [admin], 404, { reason: 'NotFound', hasDetails: true }],
  ])('of %s with %j has the Status of the answer: %i, %j', async (target, headers, code, failure) => {
    const event = await eventOf(await audited(), target, headers);
    expect(event).toMatchObject({ code, isClosedEarly: false, sourceIps: ['127.0.0.1'], requestUri: target });
    if (failure === undefined) expect(event.failure).toBeUndefined();
    else expect(event.failure).toMatchObject(failure);
  });

  it.each([
    ['none', [], undefined],
    ['an empty one', ['User-Agent:'], undefined],
    ['a common one', ['User-Agent: Prometheus/3.5.0'], 'Prometheus/3.5.0'],
    ['UTF-8', ['User-Agent: caf\xc3\xa9'], 'café'],
    ['other bytes', ['User-Agent: caf\xe9'], 'caf\ufffd'],
    ['two', ['User-Agent: first', 'user-agent: second'], 'first'],
    ['a long one', [`User-Agent: ${'x'.repeat(5000)}`], `${'x'.repeat(1024)}...TRUNCATED`],
  ])('names the User-Agent of a client that sends %s', async (_, headers, userAgent) => {
    expect((await eventOf(await audited(), '/metrics', headers)).userAgent).toBe(userAgent);
  });

  it('of a client that goes away before its answer says so', async () => {
    const { events, listening, rendering } = await rendersForEver();
    const client = await send(listening, `GET /metrics HTTP/1.1\r\nHost: a\r\n${admin}\r\n\r\n`);
    await rendering;
    client.destroy();
    await vi.waitUntil(() => events.length === 1, { timeout: 5000, interval: 2 });
    expect(events).toMatchObject([{ isClosedEarly: true, sourceIps: ['127.0.0.1'] }]);
  });

  it('is there for each pipelined answer that the path decided, also when its turn never comes', async () => {
    const { events, listening, rendering } = await rendersForEver();
    const scoped = 'GET /clusters/root/metrics HTTP/1.1\r\nHost: a\r\n\r\n';
    const client = await send(
      listening,
      `GET /metrics HTTP/1.1\r\nHost: a\r\n${admin}\r\n\r\n${scoped.repeat(30)}GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    await rendering;
    const [connection] = listening.open;
    const closed = connection === undefined ? undefined : once(connection, 'close');
    client.destroy();
    await closed;
    await vi.waitUntil(() => events.length >= 31, { timeout: 5000, interval: 2 });
    expect(events.filter(({ code }) => code === 501)).toHaveLength(30);
    expect(events).toHaveLength(31);
  });

  it('is there once for each of them whose turn comes', async () => {
    const { events, listening } = await audited();
    const scoped = 'GET /clusters/root/metrics HTTP/1.1\r\nHost: a\r\n\r\n';
    const client = await send(listening, scoped.repeat(30));
    let text = '';
    for await (const chunk of client as AsyncIterable<Buffer>) {
      text += chunk.toString();
      if (text.split('HTTP/1.1 501').length > 30) break;
    }
    await vi.waitUntil(() => events.length >= 30, { timeout: 5000, interval: 2 });
    expect(new Set(events.map(({ auditId }) => auditId)).size).toBe(30);
    expect(events).toHaveLength(30);
  });

  it('of any target and client is one line of JSON, and the answer is what it would be', async () => {
    const { events, listening } = await audited();
    const bytes = fc.string({
      unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (target, userAgent) => {
        events.length = 0;
        const answer = await answerTo(listening, `/clusters/root/metrics?${target}`, [
          `User-Agent: ${userAgent}`,
        ]);
        if (answer.startsWith('HTTP/1.1 400') && events.length === 0) return;
        await vi.waitUntil(() => events.length === 1, { timeout: 5000, interval: 1 });
        const line = events.map(auditLine).join('');
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line)).toMatchObject({ kind: 'Event', verb: 'get' });
      }),
      { numRuns: 100 },
    );
  });
});

describe('source addresses', () => {
  it.each([
    ['X-Forwarded-For', ['X-Forwarded-For: 192.0.2.1, 2001:DB8::1'], ['192.0.2.1', '2001:db8::1']],
    ['X-Real-Ip', ['X-Real-Ip: 192.0.2.1'], ['192.0.2.1']],
    ['both', ['X-Forwarded-For: 192.0.2.1', 'X-Real-Ip: 192.0.2.2'], ['192.0.2.1', '192.0.2.2']],
    [
      'X-Forwarded-For in two lines, the client’s own and the proxy’s',
      ['X-Forwarded-For: 192.0.2.9', 'X-Forwarded-For: 192.0.2.1'],
      ['192.0.2.9', '192.0.2.1'],
    ],
    ['both with the same', ['X-Forwarded-For: 192.0.2.1', 'X-Real-Ip: 192.0.2.1'], ['192.0.2.1']],
    ['nonsense', ['X-Forwarded-For: unknown, "><script>, 1.2.3, 192.0.2.1'], ['192.0.2.1']],
    ['IPv4 in IPv6', ['X-Forwarded-For: ::ffff:192.0.2.1'], ['192.0.2.1']],
    ['our own at the end', ['X-Forwarded-For: 127.0.0.1'], []],
  ])('are those of a front proxy: %s', async (_, headers, sourceIps) => {
    const event = await eventOf(await behindProxy(), '/metrics', headers);
    expect(event.sourceIps).toEqual([...sourceIps, '127.0.0.1']);
  });

  it('of anybody else are the one of his connection', async () => {
    const headers = ['X-Forwarded-For: 192.0.2.1', 'X-Real-Ip: 192.0.2.2'];
    expect((await eventOf(await withoutProxy(), '/metrics', headers)).sourceIps).toEqual(['127.0.0.1']);
    expect((await eventOf(await audited(), '/metrics', headers)).sourceIps).toEqual(['127.0.0.1']);
  });

  it('are bounded', async () => {
    const many = Array.from({ length: 2000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`).join(',');
    const { sourceIps } = await eventOf(await behindProxy(), '/metrics', [
      `X-Forwarded-For: ${many.slice(-12_000)}`,
    ]);
    expect(sourceIps).toHaveLength(16);
    expect(sourceIps.slice(-2)).toEqual(['10.0.7.207', '127.0.0.1']);
  });
});

describe('an Audit-Id that comes with a request', () => {
  const idIn = (answer: string): string | undefined => /^audit-id: (.*)$/im.exec(answer)?.[1]?.trim();
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

  it.each([
    ['/metrics', 'Audit-Id'],
    ['/clusters/root/metrics', 'audit-id'],
  ])('is kept where a front proxy sends it for %s', async (target, header) => {
    const { events, listening } = await behindProxy();
    const answer = await answerTo(listening, target, [`${header}: 3183cb3f:a.b_c`]);
    expect(idIn(answer)).toBe('3183cb3f:a.b_c');
    await vi.waitUntil(() => events.length === 1, { timeout: 5000, interval: 2 });
    expect(events[0]?.auditId).toBe('3183cb3f:a.b_c');
  });

  it.each([
    ['too long', 'a'.repeat(65)],
    ['empty', ''],
    ['two words', 'a b'],
    ['markup', '"><b>'],
    ['bytes beyond ASCII', '\xe9'],
  ])('is replaced where it is %s', async (_, value) => {
    const { listening } = await behindProxy();
    expect(idIn(await answerTo(listening, '/metrics', [`Audit-Id: ${value}`]))).toMatch(uuid);
  });

  it('means nothing from anybody else, nor where nobody can tell', async () => {
    const failing = await audited({
      authenticators: [
        tokensFrom(() => {
          throw new Error('broken');
        }),
      ],
    });
    for (const { listening } of [await withoutProxy(), await audited(), failing]) {
      expect(idIn(await answerTo(listening, '/metrics', ['Audit-Id: mine']))).toMatch(uuid);
    }
  });
});
