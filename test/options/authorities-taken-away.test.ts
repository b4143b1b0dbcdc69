import { beforeEach, describe, expect, it } from 'vitest';
import { start } from '../../src/cli/start.js';
import { createAuthority, type Authority } from '../../src/pki/throwaway-pki.js';
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
    await start({
      ...values,
      anonymousAuth: 'false',
      [flag]: directory.write('ca.crt', ca.certificatePem),
    }),
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
