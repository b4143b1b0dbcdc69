import { createServer as createTlsServer } from 'node:tls';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { getHttpsJson, httpsUrl } from '../../src/outgoing/https-json.js';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { createApiSetting, expectOpenConnections, type ApiSetting } from '../kubernetes/api-setting.js';
import type { Answer, ApiServer } from '../kubernetes/api-server.js';
import { listen, listenHttp } from '../support/listening.js';
import { words } from '../support/words.js';

let setting: ApiSetting;
let server: ApiServer;
let answer: Answer;
let authorities: string;

beforeAll(async () => {
  setting = await createApiSetting();
  server = await setting.startServer((request, response) => {
    answer(request, response);
  });
  authorities = setting.authority.certificatePem;
});

const answering =
  (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, headers).end(body);
  };

describe('the JSON of a URL', () => {
  it('is asked for over a connection of its own, without credentials', async () => {
    answer = answering(200, '{"keys":[]}');
    expect(await getHttpsJson(`${server.url}/keys?p=a%20b`, { authorities })).toEqual({ keys: [] });
    const seen = server.requests.at(-1);
    expect(seen).toMatchObject({ method: 'GET', url: '/keys?p=a%20b', clientName: undefined });
    expect(seen?.headers).toMatchObject({ accept: 'application/json', connection: 'close' });
    expect(seen?.headers).not.toHaveProperty('authorization');
    await expectOpenConnections(server, 0);
  });

  it.each<[string, Answer, string, string]>([
    ['that is no JSON', answering(200, 'secret'), 'ERR_API_CONTENT', 'the answer to GET /keys is no JSON'],
    [
      'that is too large',
      answering(200, `"${'x'.repeat(1_000)}"`),
      'ERR_API_CONTENT',
      'the answer to GET /keys is larger than 1000 bytes',
    ],
    ['that is not found', answering(404, '{"message":"secret"}'), 'ERR_API_STATUS', 'the answer is 404'],
    ['that is no answer to a GET', answering(204, ''), 'ERR_API_STATUS', 'the answer is 204'],
    [
      'that is no success and never ends',
      (_, response) => response.writeHead(503).write('secret'),
      'ERR_API_STATUS',
      'the answer is 503',
    ],
    ...[301, 302, 307, 308].map((status): [string, Answer, string, string] => [
      `that is elsewhere (${status})`,
      (_, response) => response.writeHead(status, { Location: `${server.url}/secret` }).end(),
      'ERR_API_STATUS',
      `the answer is ${status}, and redirects are not followed`,
    ]),
    [
      'that breaks off',
      (request, response) => {
        response.writeHead(200, { 'Content-Length': 100 }).write('{}');
        setImmediate(() => request.socket.destroy());
      },
      'ERR_API_CONNECTION',
      'connection closed by the server (ECONNRESET)',
    ],
    ['that never comes', () => undefined, 'ERR_API_CONNECTION', 'no answer within 200 ms (ETIMEDOUT)'],
    [
      'that never ends',
      (_, response) => response.writeHead(200).write('"'),
      'ERR_API_CONNECTION',
      'no answer within 200 ms (ETIMEDOUT)',
    ],
  ])('%s is an error', async (_, given, code, message) => {
    answer = given;
    const before = server.requests.length;
    const asked = getHttpsJson(`${server.url}/keys?secret`, { authorities, timeoutMs: 200, maxBytes: 1_000 });
    const error: unknown = await asked.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    const text = (error as Error).message;
    expect(text.startsWith(server.url)).toBe(true);
    expect(text.endsWith(`: ${message}`)).toBe(true);
    expect(text).not.toContain('secret');
    expect(server.requests.length).toBe(before + 1);
    await expectOpenConnections(server, 0);
  });

  it('is not waited for any longer once its caller says so', async () => {
    const controller = new AbortController();
    answer = () => {
      controller.abort();
    };
    await expect(getHttpsJson(server.url, { authorities, signal: controller.signal })).rejects.toMatchObject({
      causeCode: 'ABORT_ERR',
    });
    await expectOpenConnections(server, 0);
  });
});

describe('a server', () => {
  it.each<[string, () => Promise<string | undefined>, RegExp]>([
    [
      'of another CA',
      async () => (await createAuthority({ commonName: 'ca' })).certificatePem,
      /not signed by a known authority/,
    ],
    [
      'whose CA is none of those that everybody knows',
      () => Promise.resolve(undefined),
      /not signed by a known/,
    ],
    ['for a CA file that is empty', () => Promise.resolve(''), /the CA bundle holds no PEM certificate$/],
    [
      'for a CA file that is no PEM',
      () => Promise.resolve('secret'),
      /the CA bundle holds no PEM certificate$/,
    ],
  ])('%s is not asked', async (_, given, message) => {
    const before = server.requests.length;
    const error: unknown = await getHttpsJson(server.url, { authorities: await given() }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'ERR_API_CONNECTION',
      message: expect.stringMatching(message) as string,
    });
    expect((error as Error).message).not.toContain('secret');
    expect(server.requests.length).toBe(before);
  });

  it('has to be known by the name that is asked for', async () => {
    const url = server.url.replace('127.0.0.1', 'localhost');
    await expect(getHttpsJson(url, { authorities })).rejects.toMatchObject({
      causeCode: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('is verified whatever the environment says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    await expect(getHttpsJson(server.url)).rejects.toThrow(/not signed by a known authority/);
  });

  it('has to speak TLS 1.2', async () => {
    const { certificatePem: cert, privateKeyPem: key } = setting.serving;
    const old = createTlsServer({ cert, key, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
    old.on('tlsClientError', () => undefined);
    const { port } = await listen(old);
    await expect(getHttpsJson(`https://127.0.0.1:${port}`, { authorities })).rejects.toThrow(/TLS failed/);
  });

  it('has to speak TLS at all', async () => {
    const { port } = await listenHttp((_, response) => response.end('{}'));
    await expect(getHttpsJson(`https://127.0.0.1:${port}`, { authorities })).rejects.toThrow(/TLS failed/);
    await expect(getHttpsJson(`http://127.0.0.1:${port}`)).rejects.toThrow('the URL to ask is no https URL');
  });
});

describe('an https URL', () => {
  it.each([
    'https://issuer.example',
    'https://issuer.example:8443/a/b',
    'https://[::1]:8443/keys',
    'HTTPS://Issuer.example/keys?p=1',
  ])('is %s', (text) => {
    expect(httpsUrl(text)?.protocol).toBe('https:');
  });

  it.each([
    ...words(`
      issuer.example http://127.0.0.1/keys http://localhost/keys https:issuer.example https://
      https://user:secret@issuer.example/ https://user@issuer.example/ https://issuer.example/#fragment
      https://issuer.example/# https://issuer.example:99999/ file:///etc/passwd data:application/json,{}
    `),
    '',
    ' https://issuer.example/',
    'https://issuer.example/a b',
    'https://issuer.example/\nkeys',
    `https://issuer.example/${'a'.repeat(2_048)}`,
  ])('is not %j', (text) => {
    expect(httpsUrl(text)).toBe(undefined);
  });
});
