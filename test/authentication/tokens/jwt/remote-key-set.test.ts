import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  RemoteKeySet,
  type RemoteKeySetOptions,
} from '../../../../src/authentication/tokens/jwt/remote-key-set.js';
import { createApiSetting, expectOpenConnections, type ApiSetting } from '../../../kubernetes/api-setting.js';
import type { Answer, ApiServer } from '../../../kubernetes/api-server.js';

let setting: ApiSetting;
let server: ApiServer;
let answer: Answer;
let refreshes: string[];
let opened: RemoteKeySet[];

beforeEach(async () => {
  setting = await createApiSetting();
  server = await setting.startServer((request, response) => {
    answer(request, response);
  });
  answer = publishing('a');
  refreshes = [];
  opened = [];
});

afterEach(() => {
  for (const keys of opened) keys.close();
});

const jwk = (keyId: string): JsonWebKey => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid: keyId,
});
const known = new Map(['a', 'b', 'c'].map((keyId) => [keyId, jwk(keyId)]));

function publishing(...keyIds: readonly string[]): Answer {
  return answering(JSON.stringify({ keys: keyIds.map((keyId) => known.get(keyId)) }));
}

function answering(body: string): Answer {
  return (_, response) => response.end(body);
}

function open(options: Partial<RemoteKeySetOptions> = {}): RemoteKeySet {
  const keys = new RemoteKeySet({
    owner: 'https://issuer.example',
    location: `${server.url}/keys`,
    ca: () => setting.authority.certificatePem,
    onRefresh: (result, reason) => refreshes.push(reason ?? result),
    ...options,
  });
  opened.push(keys);
  return keys;
}

async function openReady(options?: Partial<RemoteKeySetOptions>): Promise<RemoteKeySet> {
  const keys = open(options);
  await expect.poll(() => refreshes).toContain('success');
  return keys;
}

async function refreshed(times: number): Promise<void> {
  await expect.poll(() => refreshes.length).toBeGreaterThanOrEqual(times);
}

async function keyIdsFor(keys: RemoteKeySet, keyId: string | undefined): Promise<readonly unknown[]> {
  return (await keys.find({ keyId })).map((key) => key.keyId);
}

const atOnce = (keys: RemoteKeySet, keyId: string): boolean => Array.isArray(keys.find({ keyId }));

describe('keys on another server', () => {
  it('are found at once when they are there, by ID or all of them', async () => {
    answer = publishing('a', 'b');
    const keys = await openReady();
    expect(atOnce(keys, 'a')).toBe(true);
    expect(await keyIdsFor(keys, 'b')).toEqual(['b']);
    expect(await keyIdsFor(keys, undefined)).toEqual(['a', 'b']);
    expect(refreshes).toEqual(['success']);
  });

  it('may stand at a place that is found out before each download', async () => {
    const location = vi.fn(() => Promise.resolve(`${server.url}/somewhere`));
    await openReady({ location, refreshMs: 20 });
    await refreshed(3);
    expect(server.requests.every(({ url }) => url === '/somewhere')).toBe(true);
    expect(location.mock.calls.length).toBeGreaterThanOrEqual(3);
  });

  it('are downloaded again in intervals: new ones come, and those left out are gone', async () => {
    const keys = await openReady({ refreshMs: 20, unknownKeyRefreshMs: 60_000 });
    const { version } = keys;
    answer = publishing('b');
    await expect.poll(() => keys.version).not.toBe(version);
    expect(await keyIdsFor(keys, undefined)).toEqual(['b']);
    expect(await keyIdsFor(keys, 'a')).toEqual([]);
  });

  it('are the same version as long as they are the same keys', async () => {
    answer = publishing('a', 'b');
    const keys = await openReady({ refreshMs: 20 });
    const { version } = keys;
    answer = publishing('b', 'a');
    await refreshed(4);
    expect(keys.version).toBe(version);
  });
});

describe('a server that fails', () => {
  it.each<[string, () => Answer, RegExp]>([
    ['with nonsense', () => answering('nonsense'), /is no JSON$/],
    ['with another document', () => answering('{"keys":{}}'), /^the answer is no JSON Web Key Set$/],
    [
      'with more keys than any',
      () => answering(`{"keys":[${'{},'.repeat(100)}{}]}`),
      /^the key set has more than 100 keys$/,
    ],
    ['with a status', () => (_, response) => response.writeHead(503).end(), /the answer is 503$/],
    ['by silence', () => () => undefined, /no answer within 2000 ms \(ETIMEDOUT\)$/],
  ])('%s leaves the keys as they are, and is asked again', async (_, fault, reason) => {
    const keys = await openReady({ refreshMs: 20, timeoutMs: 2000 });
    const { version } = keys;
    answer = fault();
    await expect.poll(() => refreshes.at(-1)).toMatch(reason);
    expect(keys.version).toBe(version);
    expect(atOnce(keys, 'a')).toBe(true);
    const failures = refreshes.length;
    answer = publishing('a', 'b');
    await expect.poll(() => refreshes.slice(failures)).toContain('success');
    expect(await keyIdsFor(keys, 'b')).toEqual(['b']);
  });

  it.each([
    ['none', '{"keys":[]}', 'the key set has no key that can be used, of 0'],
    [
      'symmetric ones',
      '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}',
      'the key set has no key that can be used, of 1',
    ],
  ])(
    'to publish a key withdraws it, with %s in its place, and is asked again soon',
    async (_, body, reason) => {
      const keys = await openReady({ refreshMs: 20, unknownKeyRefreshMs: 60_000 });
      const { version } = keys;
      answer = answering(body);
      await expect.poll(() => refreshes.at(-1)).toBe(reason);
      expect(keys.version).not.toBe(version);
      expect(await keyIdsFor(keys, 'a')).toEqual([]);
      expect(await keyIdsFor(keys, undefined)).toEqual([]);
      answer = publishing('b');
      await expect.poll(() => refreshes.at(-1)).toBe('success');
      expect(await keyIdsFor(keys, 'b')).toEqual(['b']);
    },
  );

  it('from the start has every look-up rejected at once, with the reason', async () => {
    answer = answering('nonsense');
    const keys = open();
    const message = 'the keys of https://issuer.example are not loaded yet: ';
    await expect(keys.find({ keyId: 'a' })).rejects.toMatchObject({
      code: 'ERR_KEY_SET',
      message: `${message}the first download is under way`,
    });
    await refreshed(1);
    await expect(keys.find({ keyId: undefined })).rejects.toThrow(`${message}${refreshes[0] ?? ''}`);
  });

  it('cannot be told by a place that is not found, or a CA that cannot be read', async () => {
    open({ location: () => Promise.reject(new Error('no place')) });
    await refreshed(1);
    expect(refreshes[0]).toBe('no place');
    open({
      ca: () => {
        throw new Error('no CA');
      },
    });
    await expect.poll(() => refreshes).toContain('no CA');
    expect(server.requests).toEqual([]);
  });
});

describe('a key ID that is unknown', () => {
  it('is waited for while the keys are downloaded once more', async () => {
    const keys = await openReady();
    answer = publishing('a', 'b');
    expect(await keyIdsFor(keys, 'b')).toEqual(['b']);
    expect(refreshes).toEqual(['success', 'success']);
  });

  it('begins no second download for a while, and then does', async () => {
    const keys = await openReady({ unknownKeyRefreshMs: 800 });
    expect(await keyIdsFor(keys, 'c')).toEqual([]);
    answer = publishing('a', 'c');
    expect(atOnce(keys, 'c')).toBe(true);
    expect(refreshes.length).toBe(2);
    await expect.poll(() => keyIdsFor(keys, 'c'), { timeout: 10_000 }).toEqual(['c']);
    expect(refreshes.length).toBe(3);
  });

  it('shares its download with all others, and only so many wait for it', async () => {
    const keys = await openReady({ unknownKeyRefreshMs: 0 });
    let release = (): void => undefined;
    answer = (request, response) => {
      release = () => {
        publishing('a', 'b')(request, response);
      };
    };
    const found = Array.from({ length: 1_000 }, () => keys.find({ keyId: 'b' }));
    expect(found.filter((result) => !Array.isArray(result))).toHaveLength(256);
    await expect.poll(() => server.requests).toHaveLength(2);
    release();
    const numbers = (await Promise.all(found.map((result) => Promise.resolve(result)))).map(
      ({ length }) => length,
    );
    expect(numbers).toEqual([...Array<number>(256).fill(1), ...Array<number>(744).fill(0)]);
    expect(server.requests).toHaveLength(2);
    // None of them is counted as waiting for ever.
    expect(atOnce(keys, 'c')).toBe(false);
  });

  it('is not waited for longer than allowed, by nobody', async () => {
    const keys = await openReady({ waitMs: 300 });
    answer = () => undefined;
    const startedAt = performance.now();
    expect(await keyIdsFor(keys, 'b')).toEqual([]);
    expect(performance.now() - startedAt).toBeGreaterThan(290);
    const later = performance.now();
    expect(await keyIdsFor(keys, 'b')).toEqual([]);
    expect(performance.now() - later).toBeLessThan(290);
    expect(await keyIdsFor(keys, 'a')).toEqual(['a']);
  });
});

describe('keys that are closed', () => {
  it('stay as they are: the download under way is ended, and no other begins', async () => {
    answer = (request, response) => {
      if (server.requests.length === 1) publishing('a')(request, response);
    };
    const keys = await openReady({ refreshMs: 20 });
    const waiting = keys.find({ keyId: 'b' });
    await expect.poll(() => server.requests).toHaveLength(2);
    keys.close();
    expect(await waiting).toEqual([]);
    await expectOpenConnections(server, 0);
    expect(await keyIdsFor(keys, 'a')).toEqual(['a']);
    expect(atOnce(keys, 'b')).toBe(true);
    expect(refreshes).toEqual(['success']);
    expect(server.requests).toHaveLength(2);
  });
});

describe('whoever is told', () => {
  it('cannot stop the downloads by failing', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      let calls = 0;
      open({
        refreshMs: 20,
        onRefresh: () => {
          calls += 1;
          throw new Error('no');
        },
      });
      await expect.poll(() => calls).toBeGreaterThan(2);
      expect(warnings).toHaveBeenCalledWith(
        'a listener of the keys of https://issuer.example failed with Error',
      );
    } finally {
      warnings.mockRestore();
    }
  });
});
