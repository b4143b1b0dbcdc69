import type { ServerResponse } from 'node:http';
import { createServer, Socket } from 'node:net';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.js';
import {
  ask,
  createApiSetting,
  expectOpenConnections,
  readText,
  rejection,
  type ApiSetting,
} from '../kubernetes/api-setting.js';
import { answerOk, type Answer, type ApiServer } from '../kubernetes/api-server.js';
import { listen } from '../support/listening.js';

let setting: ApiSetting;
let server: ApiServer;
let client: ApiClient;
let answer: Answer;

beforeEach(async () => {
  answer = answerOk;
  setting = await createApiSetting();
  server = await setting.startServer((request, response) => {
    answer(request, response);
  });
  client = await setting.open({ cluster: { server: server.url, ...setting.trusted } });
});

const get: ApiRequest = { method: 'GET', path: '/apis' };

describe('connections', () => {
  it('are used again once an answer was read to its end', async () => {
    for (let sent = 0; sent < 5; sent += 1) await ask(client);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1]);
  });

  it('are as many as there are requests at once', async () => {
    await Promise.all([ask(client), ask(client), ask(client)]);
    await Promise.all([ask(client), ask(client), ask(client)]);
    expect(new Set(server.requests.map(({ connection }) => connection)).size).toBe(3);
  });

  it('that the server closed meanwhile do not fail a GET', async () => {
    await Promise.all([ask(client), ask(client)]);
    answer = (request, response) => {
      const isOld = (server.requests.at(-1)?.connection ?? 0) <= 2;
      if (isOld) request.socket.destroy();
      else response.end();
    };
    expect(await ask(client)).toBe(200);
    expect(server.requests.length).toBe(4);
  });

  it('that the server closed meanwhile fail a POST, which may have been carried out', async () => {
    await ask(client);
    answer = (request) => request.socket.destroy();
    const error = await rejection(client.send({ ...get, method: 'POST' }));
    expect(error.causeCode).toBe('ECONNRESET');
    expect(server.requests.length).toBe(2);
  });

  it('that break while they are new fail a GET', async () => {
    answer = (request) => request.socket.destroy();
    const error = await rejection(client.send(get));
    expect(error.message).toBe(`${client.server}: connection closed by the server (ECONNRESET)`);
    expect(server.requests.length).toBe(1);
  });

  it.each(['new', 'used before'])(
    'ask a peer that is silent whether it is still there: %s',
    async (which) => {
      if (which === 'used before') await ask(client);
      const setKeepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
      await ask(client);
      expect(setKeepAlive.mock.lastCall).toEqual([true, 10_000]);
      setKeepAlive.mockRestore();
    },
  );

  it('are closed with the client: idle ones at once, the others behind their requests', async () => {
    let underWay: ServerResponse | undefined;
    answer = (_, response) => {
      underWay = response;
      response.write('one ');
    };
    const response = await client.send(get);
    answer = answerOk;
    await ask(client);
    client.close();
    await expectOpenConnections(server, 1);
    underWay?.end('two');
    expect(await readText(response)).toBe('one two');
    await expectOpenConnections(server, 0);
    expect((await rejection(client.send(get))).message).toBe(`${client.server}: the client is closed`);
  });
});

describe('a server that does not answer', () => {
  it('is given up after the timeout', async () => {
    answer = () => undefined;
    const error = await rejection(client.send({ ...get, timeoutMs: 50 }));
    expect(error.message).toBe(`${client.server}: no answer within 50 ms (ETIMEDOUT)`);
    await expectOpenConnections(server, 0);
  });

  it('is given up after the timeout also in the middle of the handshake', async () => {
    const silent = createServer();
    const { port } = await listen(silent);
    const closed = new Promise((resolve) =>
      silent.once('connection', (socket) => socket.resume().once('close', resolve)),
    );
    const lost = await setting.open({ cluster: { server: `https://127.0.0.1:${port}` } });
    expect((await rejection(lost.send({ ...get, timeoutMs: 50 }))).causeCode).toBe('ETIMEDOUT');
    await closed;
  });

  it('may take its time over the body', async () => {
    // The connection that is kept from this one takes no part in the time.
    await readText(await client.send(get));
    answer = (_, response) => {
      response.write('slow');
      setTimeout(() => response.end(' body'), 600);
    };
    expect(await readText(await client.send({ ...get, timeoutMs: 500 }))).toBe('slow body');
  });

  it('is given up when the request is aborted', async () => {
    const abort = new AbortController();
    answer = () => {
      abort.abort();
    };
    const error = await rejection(client.send({ ...get, signal: abort.signal }));
    expect(error.message).toBe(`${client.server}: the request was aborted (ABORT_ERR)`);
    await expectOpenConnections(server, 0);
  });

  it('is not asked by a request that was aborted before', async () => {
    expect((await rejection(client.send({ ...get, signal: AbortSignal.abort() }))).causeCode).toBe(
      'ABORT_ERR',
    );
    expect(server.requests.length).toBe(0);
  });

  it('is told by its name', async () => {
    await server.close();
    expect((await rejection(client.send(get))).message).toBe(
      `${client.server}: connection refused (ECONNREFUSED)`,
    );
    const nowhere = await setting.open({ cluster: { server: 'https://kcp.invalid' } });
    expect((await rejection(nowhere.send(get))).message).toMatch(
      /^https:\/\/kcp\.invalid:443: host name not resolved \(E\w+\)$/,
    );
  });

  it('is told where it speaks no HTTP', async () => {
    answer = (request) => request.socket.end('secret\r\n\r\n');
    expect((await rejection(client.send(get))).message).toMatch(/: the answer is no HTTP \(HPE_[A-Z_]+\)$/);
  });

  it('is told where it changes the protocol', async () => {
    answer = (request) =>
      request.socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    expect((await rejection(client.send(get))).message).toBe(`${client.server}: connection failed`);
    await expectOpenConnections(server, 0);
  });
});
