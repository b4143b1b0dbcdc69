import { beforeEach, describe, expect, it } from 'vitest';
import { start } from '../../src/cli/start.js';
import { createAuthority, type Authority } from '../support/certificate-authority.js';
import { closedAtEnd } from '../support/ending.js';
import { keyPairOf, RawClient, type RawAnswer, type RawHeaders } from '../support/raw-tls.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = temporaryDirectory();
});

/** A client that keeps its connection to a server that trusts its authority by the flag. */
async function connectedTo(
  flag: 'clientCaFile' | 'requestheaderClientCaFile',
  ca: Authority,
): Promise<RawClient> {
  const values = { mode: 'shard', bindAddress: '127.0.0.1', securePort: '0', logLevel: 'error' };
  const server = closedAtEnd(
    await start({ ...values, anonymousAuth: 'false', [flag]: directory.write('ca.crt', ca.certificatePem) }),
  );
  const pair = await ca.issue({
    commonName: 'admin',
    organizations: ['system:masters'],
    usage: 'clientAuth',
  });
  return new RawClient({ port: server.port, ...keyPairOf(pair) });
}

/** The first answer of another status than 200. All are asked over one connection, or the test fails. */
async function firstRefusal(over: RawClient, headers: RawHeaders): Promise<RawAnswer> {
  const connection = over.connection;
  for (;;) {
    const answer = await over.request('/metrics', { headers });
    expect(over.connection).toBe(connection);
    if (answer.status !== 200) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const proxied = { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' };

describe('an authority that is taken away from its file', () => {
  it.each([
    ['--client-ca-file', 'clientCaFile', {}],
    ['--requestheader-client-ca-file', 'requestheaderClientCaFile', proxied],
  ] as const)('ends what it vouches for on open connections: %s', async (_, flag, headers) => {
    const ca = await createAuthority({ commonName: 'ca' });
    const other = await createAuthority({ commonName: 'ca' });
    const kept = await connectedTo(flag, ca);
    expect((await kept.request('/metrics', { headers })).status).toBe(200);
    directory.write('ca.crt', other.certificatePem);
    expect((await firstRefusal(kept, headers)).status).toBe(401);
  });
});

describe('an authority of clients that may name front proxies as well', () => {
  const authority = (commonName: string): Promise<Authority> => createAuthority({ commonName });
  const bundle = (...authorities: readonly Authority[]): string =>
    authorities.map(({ certificatePem }) => certificatePem).join('');
  const startWith = async (
    clients: readonly Authority[],
    proxies: readonly Authority[],
    more: Readonly<Record<string, string | readonly string[]>> = {},
    lines: string[] = [],
  ) =>
    closedAtEnd(
      await start(
        {
          mode: 'shard',
          bindAddress: '127.0.0.1',
          securePort: '0',
          logLevel: 'error',
          clientCaFile: directory.write('clients.crt', bundle(...clients)),
          requestheaderClientCaFile: directory.write('proxies.crt', bundle(...proxies)),
          ...more,
        },
        { log: { write: (line) => lines.push(line) } },
      ),
    );
  const danger =
    /^--requestheader-allowed-names: required: clients of "CN=[a-z]+" are also accepted as front/;

  it('ends the start where no names tell the two apart', async () => {
    const [clients, proxies] = [await authority('clients'), await authority('proxies')];
    const [shared, namesake] = [await authority('shared'), await authority('shared')];
    const below = await shared.issueAuthority({ commonName: 'below' });
    await expect(startWith([clients, shared], [proxies, shared])).rejects.toThrow(danger);
    // A client of the one below has a chain to the other; not the other way round.
    await expect(startWith([below], [shared])).rejects.toThrow(danger);
    await expect(startWith([shared], [shared], { mode: 'cache-server' })).rejects.toThrow(danger);
    await startWith([shared], [below]);
    await startWith([clients], [proxies]);
    await startWith([shared], [namesake]);
    await startWith([shared], [shared], { requestheaderAllowedNames: ['front-proxy'] });
  });

  it.each(['clients.crt', 'proxies.crt'])('is not taken from a changed file, %s', async (changed) => {
    const [clients, proxies] = [await authority('clients'), await authority('proxies')];
    const lines: string[] = [];
    const { port } = await startWith([clients], [proxies], { anonymousAuth: 'false' }, lines);
    const ofClients = changed === 'proxies.crt';
    const issuer = ofClients ? clients : proxies;
    const pair = await issuer.issue({ commonName: 'mallory', usage: 'clientAuth' });
    directory.write(changed, bundle(clients, proxies));
    await expect
      .poll(() => lines.join(''), { timeout: 20_000 })
      .toContain('are also accepted as front proxies');
    const mallory = new RawClient({ port, ...keyPairOf(pair) });
    const { status } = await mallory.request('/metrics', { headers: ofClients ? proxied : {} });
    // Known as a client alone, or as a front proxy that names nobody.
    expect(status).toBe(ofClients ? 403 : 401);
  });
});
