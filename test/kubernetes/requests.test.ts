import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { constants, createGzip, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiClient, ApiRequest, RequestObservation } from '../../src/kubernetes/api-client.js';
import {
  openApiClient,
  type OpenApiClientOptions,
} from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { requireClientNode } from '../../src/kubernetes/kubeconfig/kubeconfig-connections.js';
import { requestJson } from '../../src/kubernetes/api-client.js';
import { packageVersion } from '../../src/own-package.js';
import {
  ask,
  createApiSetting,
  expectOpenConnections,
  failure,
  readText,
  rejection,
  type ApiSetting,
} from './api-setting.js';
import { answerOk, type Answer, type ApiServer } from './api-server.js';
import { kubeconfigText } from './kubeconfig-text.js';

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

/** Each piece of a body has come before the next one is sent. */
async function expectOneByOne(pieces: readonly string[], send: (piece: string) => void): Promise<void> {
  const { body } = await client.send(get);
  const chunks = body[Symbol.asyncIterator]();
  for (const piece of pieces) {
    send(piece);
    expect(String((await chunks.next()).value)).toBe(piece);
  }
  await chunks.return?.();
  await expectOpenConnections(server, 0);
}

/** A request that is aborted while its body comes: that ends, and so does the connection. */
async function expectAborted(begin: Answer): Promise<void> {
  answer = begin;
  const abort = new AbortController();
  const { body } = await client.send({ ...get, signal: abort.signal });
  const chunks = body[Symbol.asyncIterator]();
  await chunks.next();
  const next = rejection(chunks.next());
  abort.abort();
  expect((await next).causeCode).toBe('ABORT_ERR');
  await expectOpenConnections(server, 0);
}

function open(path: string, options: Omit<OpenApiClientOptions, 'kubeconfig'> = {}): Promise<ApiClient> {
  return setting.open({ cluster: { server: server.url + path, ...setting.trusted } }, options);
}

describe('a request', () => {
  it.each([
    ['', undefined, '/apis', ''],
    ['/', undefined, '/apis', ''],
    ['/clusters/root', undefined, '/clusters/root/apis', '/clusters/root'],
    ['/clusters/root:org//', undefined, '/clusters/root:org/apis', '/clusters/root:org'],
    ['', (path: string) => `${path}/services/cache`, '/services/cache/apis', '/services/cache'],
    [
      '/base/',
      (path: string) => `${path}/services/cache/`,
      '/base/services/cache/apis',
      '/base/services/cache',
    ],
    ['/base', () => '/', '/apis', ''],
    ['/base', () => 'clusters/root', '/clusters/root/apis', '/clusters/root'],
  ])('to a server at %j goes below its path', async (path, basePath, url, base) => {
    const based = await open(path, basePath === undefined ? {} : { basePath });
    await readText(await based.send(get));
    expect(server.requests.at(-1)?.url).toBe(url);
    expect(based.server).toBe(`${server.url}${base}`);
    expect(based.host).toBe(`127.0.0.1:${server.port}`);
  });

  it.each([
    ['https://kcp.example/', 'https://kcp.example:443', 'kcp.example:443'],
    ['https://KCP.example:443/a', 'https://kcp.example:443/a', 'kcp.example:443'],
    ['https://[::1]:6443', 'https://[::1]:6443', '[::1]:6443'],
  ])('of the client of %s names server and port', async (url, named, host) => {
    const other = await setting.open({ cluster: { server: url } });
    expect([other.server, other.host]).toEqual([named, host]);
  });

  it('says what it wants and who asks', async () => {
    await readText(await client.send({ ...get, query: { watch: 'true', labelSelector: 'a=b,c in (d)' } }));
    const [request] = server.requests;
    expect(request).toMatchObject({
      method: 'GET',
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': `kcp-metrics-filter/${packageVersion}`,
        host: `127.0.0.1:${server.port}`,
      },
    });
    const { pathname, searchParams } = new URL(request?.url ?? '', server.url);
    expect([pathname, ...searchParams]).toEqual([
      '/apis',
      ['watch', 'true'],
      ['labelSelector', 'a=b,c in (d)'],
    ]);
  });

  it.each(['POST', 'PATCH'] as const)('by %s carries its body', async (method) => {
    const received: string[] = [];
    answer = (request, response) => {
      request.setEncoding('utf8').on('data', (data: string) => received.push(data));
      request.on('end', () => response.writeHead(201).end());
    };
    const body = { contentType: 'application/merge-patch+json', json: { name: 'ü', list: [1, null] } };
    const response = await client.send({ method, path: '/apis', body });
    expect([response.status, await readText(response)]).toEqual([201, '']);
    expect(received.join('')).toBe('{"name":"ü","list":[1,null]}');
    expect(server.requests[0]).toMatchObject({
      method,
      headers: { 'content-type': 'application/merge-patch+json', 'content-length': '29' },
    });
  });

  it.each([204, 302, 401, 404, 410, 429, 500, 503])('resolves with status %i', async (status) => {
    answer = (_, response) => response.writeHead(status, { Location: '/elsewhere' }).end();
    expect(await ask(client)).toBe(status);
    expect(server.requests.length).toBe(1);
  });

  it.each([
    ['7', 7000],
    ['100000', 300_000],
    ['never', undefined],
  ])('is told of Retry-After: %s', async (value, retryAfterMs) => {
    answer = (_, response) => response.writeHead(429, { 'Retry-After': value }).end();
    const response = await client.send(get);
    expect(response.retryAfterMs).toBe(retryAfterMs);
    await readText(response);
  });

  it('is observed: its status, or that none came, and how long it took unless it is a watch', async () => {
    const seen: RequestObservation[] = [];
    const observed = await open('', { onRequest: (observation) => seen.push(observation) });
    answer = (_, response) => response.writeHead(403).end();
    await ask(observed);
    await readText(await observed.send({ ...get, query: { watch: 'true' } }));
    await server.close();
    await failure(observed);
    const host = `127.0.0.1:${server.port}`;
    expect(seen).toEqual([
      { method: 'GET', host, code: '403', seconds: expect.any(Number) as number },
      { method: 'GET', host, code: '403', seconds: undefined },
      { method: 'GET', host, code: '<error>', seconds: expect.any(Number) as number },
    ]);
    expect(seen.every(({ seconds = 1 }) => seconds > 0 && seconds < 10)).toBe(true);
  });

  it('is not disturbed by who observes it', async () => {
    const warned = once(process, 'warning') as Promise<[Error]>;
    const observed = await open('', {
      onRequest: () => {
        throw new RangeError('secret');
      },
    });
    expect(await ask(observed)).toBe(200);
    const [{ message }] = await warned;
    expect(message).toBe('a listener of the API client failed with RangeError');
  });
});

describe('a body', () => {
  it('comes while the server sends it', async () => {
    const lines = ['{"type":"ADDED"}\n', '{"type":"BOOKMARK"}\n'];
    let send: (line: string) => void = () => undefined;
    answer = (_, response) => {
      response.flushHeaders();
      send = (line) => response.write(line);
    };
    await expectOneByOne(lines, (piece) => {
      send(piece);
    });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    [
      'a length that is not reached',
      (response) => response.writeHead(200, { 'Content-Length': 100 }).write('{"a"'),
    ],
    ['chunks without the last', (response) => response.write('{"a"')],
    [
      'what is no chunk',
      (response) => {
        response.flushHeaders();
        response.socket?.write('secret\r\n');
      },
    ],
  ])('that breaks off is an error: %s', async (_, begin) => {
    answer = (request, response) => {
      begin(response);
      setImmediate(() => request.socket.destroy());
    };
    const response = await client.send(get);
    const error = await rejection(readText(response));
    expect(error.message).toBe(`${client.server}: connection closed by the server (ECONNRESET)`);
  });

  it('ends when its request is aborted, and so does the connection', async () => {
    await expectAborted((_, response) => response.write('begun'));
  });

  it('that nobody reads ends when its request is aborted, and is not taken for whole', async () => {
    const abort = new AbortController();
    const response = await client.send({ ...get, signal: abort.signal });
    abort.abort();
    await expectOpenConnections(server, 0);
    expect((await rejection(readText(response))).causeCode).toBe('ABORT_ERR');
  });

  it('that was read whole leaves nothing to abort', async () => {
    const abort = new AbortController();
    await readText(await client.send({ ...get, signal: abort.signal }));
    abort.abort();
    await ask(client);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1]);
  });

  it('is not waited for by those who stop reading', async () => {
    answer = (_, response) => response.write('begun');
    const { body } = await client.send(get);
    for await (const chunk of body) {
      expect(chunk.toString()).toBe('begun');
      break;
    }
    await expectOpenConnections(server, 0);
  });
});

describe('a body that is compressed, although nobody asked for it', () => {
  const events = ['{"type":"ADDED"}\n', '{"type":"MODIFIED"}\n', '{"type":"BOOKMARK"}\n'];
  const encoded =
    (coding: string, ...pieces: readonly (Buffer | string)[]): Answer =>
    (_, response) => {
      response.writeHead(200, { 'Content-Encoding': coding });
      for (const piece of pieces) response.write(piece);
      response.end();
    };

  /** A gzip member for each event, as kube-apiserver 1.37 writes watch-lists. */
  const members = (response: ServerResponse) => (event: string) => response.write(gzipSync(event));
  /** One member that is flushed after each event, as proxies write them. */
  const flushes = (response: ServerResponse) => {
    const gzip = createGzip();
    gzip.pipe(response);
    return (event: string) => {
      gzip.write(event);
      gzip.flush(constants.Z_SYNC_FLUSH);
    };
  };

  it.each([
    ['in members of their own', 'gzip', members],
    ['in members of their own', 'X-GZIP', members],
    ['in one member', 'gzip', flushes],
  ])('gives events as they are flushed: %s (%s)', async (_, coding, compress) => {
    let send: (event: string) => void = () => undefined;
    answer = (_request, response) => {
      response.writeHead(200, { 'Content-Encoding': coding });
      response.flushHeaders();
      send = compress(response);
    };
    await expectOneByOne(events, (piece) => {
      send(piece);
    });
  });

  it('is the same text, wherever its members begin and its bytes are cut', async () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 50 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 40 }), async (parts, length) => {
        const bytes = Buffer.concat(parts.map((part) => gzipSync(part)));
        const count = Math.ceil(bytes.length / length);
        const cut = Array.from({ length: count }, (_, at) => bytes.subarray(at * length, (at + 1) * length));
        answer = encoded('gzip', ...cut);
        expect(await readText(await client.send(get))).toBe(parts.join(''));
      }),
      { numRuns: 50 },
    );
    // Read to its end each time, so that one connection serves all.
    expect(server.requests.at(-1)?.connection).toBe(1);
  });

  it.each([
    ['not compressed, and say so', 'identity', ['text']],
    ['followed by zeros', 'gzip', [gzipSync('text'), Buffer.alloc(600)]],
  ])('may be %s', async (_, coding, pieces) => {
    answer = encoded(coding, ...pieces);
    expect(await readText(await client.send(get))).toBe('text');
  });

  it.each([
    ['no gzip', Buffer.from('{"kind":"Ok"}')],
    ['a member that breaks off', gzipSync('{"kind":"Ok"}').subarray(0, -9)],
    ['something behind the last member', Buffer.concat([gzipSync('{}'), Buffer.from('{"kind":"Ok"}')])],
  ])('is an error where it is %s', async (_, bytes) => {
    answer = encoded('gzip', bytes);
    const error = await rejection(client.send(get).then(readText));
    expect(error.message).toMatch(/: the answer is no gzip, or breaks off \(Z_\w+\)$/);
    expect(error.message).not.toContain('Ok');
  });

  it.each(['br', 'deflate', 'zstd', 'gzip, gzip', 'x'.repeat(5_000)])(
    'is refused where it is %j, and the connection closed',
    async (coding) => {
      answer = encoded(coding, 'secret');
      const error = await rejection(client.send(get).then(readText));
      expect(error.message).toContain(`the answer is compressed as "${coding.slice(0, 20)}`);
      expect(error.message).toMatch(/which was not asked for$/);
      expect(error.message.length).toBeLessThan(200);
      await expectOpenConnections(server, 0);
    },
  );

  it('is held to the bound of what it becomes, and not of what it was', async () => {
    // More may come: a connection on which all has come is left for the next request.
    answer = (_, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).write(gzipSync(Buffer.alloc(32 * 1024 * 1024)));
    };
    const bounded = requestJson(client, get, { maxBytes: 1024 });
    await expect(bounded).rejects.toThrow('is larger than 1024 bytes');
    await expectOpenConnections(server, 0);
  });

  it('ends when its request is aborted, and so does the connection', async () => {
    await expectAborted((_, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).write(gzipSync('begun'));
    });
  });
});

describe('opening a client', () => {
  it('rejects a kubeconfig that has to be mended, and asks nobody', async () => {
    const kubeconfig = setting.directory.write('bad', kubeconfigText({ cluster: { server: 'nowhere' } }));
    await expect(openApiClient({ kubeconfig })).rejects.toThrow(
      `${kubeconfig}:24: clusters[0].cluster.server must be an http or https URL`,
    );
  });

  it('needs client-node, and says which package to install where that is missing', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    await expect(requireClientNode(() => Promise.reject(missing))).rejects.toMatchObject({
      name: 'KubernetesClientMissingError',
      code: 'ERR_KUBERNETES_CLIENT_MISSING',
      message: expect.stringMatching(/ is not installed: npm install @kubernetes\/client-node$/) as string,
    });
    const broken = new SyntaxError('of the package');
    await expect(requireClientNode(() => Promise.reject(broken))).rejects.toBe(broken);
    await expect(requireClientNode()).resolves.toBeUndefined();
  });
});
