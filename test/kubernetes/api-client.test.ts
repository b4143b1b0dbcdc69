import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ApiClient } from '../../src/kubernetes/api-client.js';
import { requestJson } from '../../src/kubernetes/api-client.js';
import { createApiSetting, type ApiSetting } from './api-setting.js';
import type { Answer, ApiServer } from './api-server.js';

let setting: ApiSetting;
let server: ApiServer;
let client: ApiClient;
let answer: Answer;

beforeAll(async () => {
  setting = await createApiSetting();
  server = await setting.startServer((request, response) => {
    answer(request, response);
  });
});

beforeEach(async () => {
  client = await setting.open({ cluster: { server: server.url, ...setting.trusted } });
});

const answering =
  (status: number, body: string | Buffer): Answer =>
  (_, response) => {
    response.writeHead(status).end(body);
  };
const get = { method: 'GET', path: '/apis' } as const;

describe('the JSON of an answer', () => {
  it.each([
    ['{"a":[1,"ü"]}', { a: [1, 'ü'] }],
    ['null', null],
    [' [] ', []],
  ])('%s is parsed', async (body, value) => {
    answer = answering(200, body);
    expect(await requestJson(client, get)).toEqual(value);
  });

  it('may come in pieces', async () => {
    answer = (_, response) => {
      const bytes = Buffer.from('{"text":"ü"}');
      response.write(bytes.subarray(0, 10));
      setImmediate(() => response.end(bytes.subarray(10)));
    };
    expect(await requestJson(client, get)).toEqual({ text: 'ü' });
  });

  it.each([
    ['nothing', ''],
    ['half of it', '{"secret":'],
    ['text', 'secret'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('must be there: %s', async (_, body) => {
    answer = answering(200, body);
    const error: unknown = await requestJson(client, get).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      name: 'ApiContentError',
      code: 'ERR_API_CONTENT',
      message: `${server.url}: the answer to GET /apis is no JSON`,
    });
  });

  it('must not be larger than allowed, and the rest is not waited for', async () => {
    answer = (_, response) => response.write(`"${'x'.repeat(2000)}`);
    await expect(requestJson(client, get, { maxBytes: 1000 })).rejects.toMatchObject({
      code: 'ERR_API_CONTENT',
      message: `${server.url}: the answer to GET /apis is larger than 1000 bytes`,
    });
    await expect.poll(() => server.open.size).toBe(0);
    answer = answering(200, `"${'x'.repeat(998)}"`);
    expect(await requestJson(client, get, { maxBytes: 1000 })).toHaveLength(998);
  });

  it('that breaks off is a connection error', async () => {
    answer = (request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{}');
      setImmediate(() => request.socket.destroy());
    };
    await expect(requestJson(client, get)).rejects.toMatchObject({ code: 'ERR_API_CONNECTION' });
  });
});

describe('an answer that is no success', () => {
  it('is an error with what its Status says', async () => {
    const status = { kind: 'Status', status: 'Failure', message: 'no\nway', reason: 'Forbidden', code: 403 };
    answer = answering(403, JSON.stringify(status));
    await expect(requestJson(client, get)).rejects.toMatchObject({
      code: 'ERR_API_STATUS',
      status: 403,
      reason: 'Forbidden',
      message: 'no\\u000away',
      retryAfterMs: undefined,
    });
  });

  it('tells when to come back', async () => {
    answer = (_, response) => response.writeHead(429, { 'Retry-After': '3' }).end('slow down, secret');
    await expect(requestJson(client, get)).rejects.toMatchObject({
      status: 429,
      message: 'status 429',
      retryAfterMs: 3000,
    });
  });

  it.each<[string, Answer]>([
    ['has no body', answering(502, '')],
    ['has a page', answering(502, '<html>secret</html>')],
    ['has a large body', answering(502, JSON.stringify({ message: 'x'.repeat(100_000) }))],
    [
      'breaks off',
      (request, response) => {
        response.writeHead(502, { 'Content-Length': 100 }).write('{}');
        setImmediate(() => request.socket.destroy());
      },
    ],
  ])('is told by its status where it %s', async (_, given) => {
    answer = given;
    await expect(requestJson(client, get)).rejects.toMatchObject({
      code: 'ERR_API_STATUS',
      status: 502,
      message: 'status 502',
    });
  });

  it('may be a redirect, which is not followed', async () => {
    answer = (_, response) => response.writeHead(307, { Location: server.url }).end();
    await expect(requestJson(client, get)).rejects.toMatchObject({ status: 307 });
  });
});
