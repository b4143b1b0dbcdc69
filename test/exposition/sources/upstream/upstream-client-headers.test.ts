import { connect } from 'node:net';
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listenHttp, type Listening } from '../../../support/listening.js';
import { guard, send } from './upstream-setting.js';

/** Asks with header lines as they are; resolves to the status. */
function statusOf(filter: Listening, lines: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(filter.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.once('error', reject);
    socket.once('close', () => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0));
    });
    const head = ['GET /metrics HTTP/1.1', 'Host: filter.example', 'Authorization: Bearer admin-token'];
    socket.write([...head, ...lines, 'Connection: close', '', ''].join('\r\n'), 'latin1');
  });
}

async function recorded() {
  const received: IncomingMessage[] = [];
  const upstream = await listenHttp((request, response) => {
    received.push(request);
    send('a 1\n')(request, response);
  });
  return { received, upstream, filter: await guard(upstream) };
}

const ownFields = ['accept-encoding', 'connection', 'host', 'user-agent'];

describe('of a scraper’s headers, an upstream never gets', () => {
  it.each([
    ['Authorization', []],
    ['Cookie', ['Cookie: session=secret']],
    ['Proxy-Authorization', ['Proxy-Authorization: Basic c2VjcmV0']],
    ['a front proxy’s', ['X-Remote-User: secret', 'X-Remote-Group: secret', 'X-Remote-Extra-Key: secret']],
    [
      'where he came from',
      ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: secret', 'Forwarded: for=secret'],
    ],
    [
      'those that end at the next hop',
      ['Keep-Alive: timeout=secret', 'TE: trailers', 'Proxy-Connection: secret'],
    ],
    ['what Connection names', ['Connection: X-Secret, keep-alive', 'X-Secret: secret']],
    ['conditions and ranges', ['If-None-Match: "secret"', 'Range: bytes=0-1']],
    ['their User-Agent', ['User-Agent: secret']],
    ['bytes that are no ASCII', ['X-\u00e4: secret', 'X-Secret: \u00fc']],
  ])('%s', async (_which, lines) => {
    const { received, filter, upstream } = await recorded();
    const status = await statusOf(filter, lines);
    // A name that is none is refused before anything is asked.
    expect(status).toBe(lines.some((line) => line.startsWith('X-\u00e4')) ? 400 : 200);
    for (const { rawHeaders, headers } of received) {
      expect(Object.keys(headers).sort()).toEqual(ownFields);
      expect(headers.host).toBe(`127.0.0.1:${upstream.port}`);
      expect(rawHeaders.join('\n')).not.toMatch(/secret|admin-token|192\.0\.2\.1|filter\.example|X-/i);
    }
    expect(received).toHaveLength(status === 200 ? 1 : 0);
  });

  it('Impersonate-*, since that is refused', async () => {
    const { received, filter } = await recorded();
    expect(await statusOf(filter, ['Impersonate-User: root'])).toBe(403);
    expect(received).toEqual([]);
  });

  it('any other, whatever it is', async () => {
    const { received, filter } = await recorded();
    const name = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,16}$/);
    const value = fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 8 }), async (fields) => {
        received.splice(0);
        await statusOf(
          filter,
          fields.map(([field, text]) => `X-${field}: ${text}`),
        );
        for (const { headers } of received) expect(Object.keys(headers).sort()).toEqual(ownFields);
      }),
      { numRuns: 60 },
    );
  });
});
