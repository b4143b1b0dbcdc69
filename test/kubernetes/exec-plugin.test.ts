import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApiClient } from '../../src/kubernetes/api-client.js';
import type { OpenApiClientOptions } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { ask, createApiSetting, failure, type ApiSetting } from './api-setting.js';
import type { ApiServer } from './api-server.js';

const apiVersion = 'client.authentication.k8s.io/v1';

let setting: ApiSetting;
let server: ApiServer;
/** Tokens that the server does not know any more. */
let revoked: Set<string>;

beforeEach(async () => {
  revoked = new Set();
  setting = await createApiSetting();
  server = await setting.startServer(({ headers }, response) => {
    response.statusCode = revoked.has(headers.authorization ?? '') ? 401 : 200;
    response.end();
  });
});

const path = (name: string): string => join(setting.directory.path, name);

/** A client whose exec plugin is this shell script. */
async function openWith(
  script: string,
  {
    exec = {},
    cluster = {},
    ...options
  }: Partial<OpenApiClientOptions> & { exec?: object; cluster?: object } = {},
): Promise<ApiClient> {
  writeFileSync(path('plugin'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return setting.open(
    {
      cluster: { server: server.url, ...setting.trusted, ...cluster },
      user: { exec: { apiVersion, command: './plugin', interactiveMode: 'Never', ...exec } },
    },
    options,
  );
}

/** Prints an ExecCredential. */
const giving = (status: object, type: object = { apiVersion, kind: 'ExecCredential' }): string =>
  `cat <<'END'\n${JSON.stringify({ ...type, status })}\nEND`;

/** Counts its runs, and gives a token with the count. */
const counting = (expiresIn = ''): string => `
cd '${setting.directory.path}'
echo run >> runs
count=$(wc -l < runs | tr -d ' ')
echo '{"apiVersion":"${apiVersion}","kind":"ExecCredential","status":{"token":"token-'$count'"${expiresIn}}}'`;
const runs = (): number => readFileSync(path('runs'), 'utf8').split('\n').length - 1;
const tokensSeen = (): readonly (string | undefined)[] =>
  server.requests.map(({ headers }) => headers.authorization);

describe('an exec plugin', () => {
  it('gives the token', async () => {
    const client = await openWith(giving({ token: 'secret' }));
    expect(await ask(client)).toBe(200);
    expect(tokensSeen()).toEqual(['Bearer secret']);
  });

  it('gives the client certificate, and another one later', async () => {
    const give = async (commonName: string): Promise<string> => {
      const pair = await setting.authority.issue({ commonName, usage: 'clientAuth' });
      return JSON.stringify({
        apiVersion,
        kind: 'ExecCredential',
        status: {
          clientCertificateData: pair.certificatePem,
          clientKeyData: pair.privateKeyPem,
          expirationTimestamp: new Date(Date.now() - 1000).toISOString(),
        },
      });
    };
    const client = await openWith(`cat '${setting.directory.write('credential', await give('alice'))}'`);
    await ask(client);
    setting.directory.write('credential', await give('bob'));
    await ask(client);
    expect(server.requests.map(({ clientName }) => clientName)).toEqual(['alice', 'bob']);
  });

  it('is run once for many requests, and not before the first', async () => {
    const client = await openWith(counting());
    expect(existsSync(path('runs'))).toBe(false);
    await Promise.all([ask(client), ask(client), ask(client)]);
    await ask(client);
    expect(runs()).toBe(1);
    expect(new Set(tokensSeen())).toEqual(new Set(['Bearer token-1']));
  });

  it('is run again when its token has expired', async () => {
    const expired = new Date(Date.now() - 1000).toISOString();
    const client = await openWith(counting(`,"expirationTimestamp":"${expired}"`));
    await ask(client);
    await ask(client);
    expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('is not run again before its token expires', async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const client = await openWith(counting(`,"expirationTimestamp":"${later}"`));
    await ask(client);
    await ask(client);
    expect(runs()).toBe(1);
  });

  it('is run again once the server has refused its token', async () => {
    const client = await openWith(counting());
    await ask(client);
    revoked.add('Bearer token-1');
    expect(await ask(client)).toBe(401);
    expect(await ask(client)).toBe(200);
    expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2']);
  });

  it('is not run by a probe, which goes with what it gave before, or without', async () => {
    const client = await openWith(counting());
    const probe = async (): Promise<number> =>
      (await client.send({ method: 'GET', path: '/readyz', isProbe: true })).status;
    expect([await probe(), existsSync(path('runs'))]).toEqual([200, false]);
    await ask(client);
    revoked.add('Bearer token-1');
    // Its refusal says nothing: it may have expired long ago.
    expect([await probe(), await probe(), runs()]).toEqual([401, 401, 1]);
    expect(tokensSeen()).toEqual([undefined, 'Bearer token-1', 'Bearer token-1', 'Bearer token-1']);
  });

  it('is told what it was written for, and has the environment of this process and its own', async () => {
    vi.stubEnv('API_CLIENT_OUTER', 'outer');
    const client = await openWith(
      `printf '%s|%s|%s|%s' "$API_CLIENT_OUTER" "$API_CLIENT_INNER" "$1" "$KUBERNETES_EXEC_INFO" > '${path('told')}'\n${giving({ token: 'secret' })}`,
      { exec: { args: ['an argument'], env: [{ name: 'API_CLIENT_INNER', value: 'inner' }] } },
    );
    await ask(client);
    vi.unstubAllEnvs();
    const [outer, inner, argument, info] = readFileSync(path('told'), 'utf8').split('|');
    expect([outer, inner, argument]).toEqual(['outer', 'inner', 'an argument']);
    expect(JSON.parse(info ?? '')).toEqual({
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false },
    });
  });

  it('is told of the cluster where it wants to know', async () => {
    const client = await openWith(
      `printf '%s' "$KUBERNETES_EXEC_INFO" > '${path('told')}'\n${giving({ token: 'secret' })}`,
      {
        exec: { provideClusterInfo: true },
        cluster: {
          'tls-server-name': 'kcp.example',
          extensions: [
            { name: 'other', extension: 1 },
            { name: 'client.authentication.k8s.io/exec', extension: { audience: 'kcp' } },
          ],
        },
      },
    );
    await ask(client);
    expect(JSON.parse(readFileSync(path('told'), 'utf8'))).toMatchObject({
      spec: {
        interactive: false,
        cluster: {
          server: server.url,
          'tls-server-name': 'kcp.example',
          'insecure-skip-tls-verify': false,
          ...setting.trusted,
          config: { audience: 'kcp' },
        },
      },
    });
  });

  it.each<[string, string, string]>([
    ['fails', 'echo secret; echo secret >&2; exit 3', 'exited with code 3'],
    ['is killed', 'kill -9 $$', 'was ended by SIGKILL'],
    ['prints nothing', ':', 'gave no JSON'],
    ['prints garbage', 'echo secret; head -c 2000 /dev/urandom', 'gave no JSON'],
    ['prints without end', 'exec yes secret', 'wrote more than 1048576 bytes'],
    ['prints null', 'echo null', 'gave no ExecCredential'],
    [
      'prints another kind',
      giving({ token: 'secret' }, { apiVersion, kind: 'Status' }),
      'gave no ExecCredential',
    ],
    [
      'prints another version',
      giving({ token: 'secret' }, { apiVersion: 'v1', kind: 'ExecCredential' }),
      'gave another apiVersion than it was asked for',
    ],
    ['gives nothing', giving({}), 'gave neither token nor certificate'],
    ['gives a text', giving('secret' as unknown as object), 'gave neither token nor certificate'],
    ['gives two lines', giving({ token: 'secret\nsecret' }), 'gave a token that no header can carry'],
    ['gives a token that is a number', giving({ token: 5 }), 'gave a token that is no string'],
    ['gives no key', giving({ clientCertificateData: 'secret' }), 'gave a certificate without key'],
    ['gives a key alone', giving({ clientKeyData: 'secret' }), 'gave a key without certificate'],
    [
      'gives a certificate that is none',
      giving({ clientCertificateData: 'secret', clientKeyData: 'secret' }),
      'gave clientCertificateData that holds no PEM certificate',
    ],
    [
      'gives a time that is none',
      giving({ token: 'secret', expirationTimestamp: 'secret' }),
      'gave an expirationTimestamp that is no time',
    ],
  ])('that %s is told of, without a word of what it wrote', async (_, script, problem) => {
    const client = await openWith(script);
    expect(await failure(client)).toBe(`ERR_API_CONNECTION the exec plugin ${problem}`);
    expect(server.requests).toEqual([]);
  });

  it('that gives a key of another certificate is told of', async () => {
    const [alice, bob] = await Promise.all([
      setting.authority.issue({ commonName: 'alice' }),
      setting.authority.issue({ commonName: 'bob' }),
    ]);
    const status = { clientCertificateData: alice.certificatePem, clientKeyData: bob.privateKeyPem };
    expect(await failure(await openWith(giving(status)))).toBe(
      'ERR_API_CONNECTION the exec plugin gave clientKeyData that does not belong to the certificate',
    );
  });

  it('that failed is run again by the next request', async () => {
    const client = await openWith(`[ -e '${path('mended')}' ] || exit 1\n${giving({ token: 'secret' })}`);
    expect(await failure(client)).toMatch(/exited with code 1/);
    setting.directory.write('mended', '');
    expect(await ask(client)).toBe(200);
  });

  it('that is removed after the start is told of', async () => {
    const client = await openWith(giving({ token: 'secret' }), { exec: { command: './plugin' } });
    writeFileSync(path('plugin'), '#!/nowhere/at/all\n');
    expect(await failure(client)).toBe('ERR_API_CONNECTION the exec plugin cannot be run: ENOENT');
  });

  /** Writes down its own process and one that it has started, both of which run for ever. */
  const hanging = (): string => `sleep 1000 & echo "$$ $!" > '${path('pids')}'; wait`;

  async function expectNothingRuns(): Promise<void> {
    const pids = readFileSync(path('pids'), 'utf8').trim().split(' ').map(Number);
    expect(pids.length).toBe(2);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  }

  /** One that has ended may be left for its parent to notice. */
  function isRunning(pid: number): boolean {
    try {
      process.kill(pid, 0);
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  }

  it('that does not come to an end is ended, with what it has started', async () => {
    const client = await openWith(hanging(), { execTimeoutMs: 300 });
    expect(await failure(client)).toBe('ERR_API_CONNECTION the exec plugin did not finish in time');
    await expectNothingRuns();
  });

  it('that does not come to an end holds up no request for longer than its timeout', async () => {
    const client = await openWith(hanging());
    const request = client.send({ method: 'GET', path: '/version', timeoutMs: 300 });
    await expect(request).rejects.toThrow('no answer within 300 ms (ETIMEDOUT)');
    client.close();
    await expectNothingRuns();
  });

  it('goes on for the others when one request is aborted', async () => {
    const client = await openWith(
      `while [ ! -e '${path('go')}' ]; do sleep 0.02; done\n${giving({ token: 'secret' })}`,
    );
    const abort = new AbortController();
    const aborted = client.send({ method: 'GET', path: '/version', signal: abort.signal });
    const other = ask(client);
    abort.abort();
    await expect(aborted).rejects.toThrow('the request was aborted (ABORT_ERR)');
    setting.directory.write('go', '');
    expect(await other).toBe(200);
  });
});
