import { beforeAll, describe, expect, it } from 'vitest';
import { createRecordedPki, type RecordedPki } from '../support/recorded-pki.js';
import { keyPairOf, RawClient } from '../support/raw-tls.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { manifestOf, recorded, remoteHeaders, type RecordedPolicy } from './recorded.js';

interface Request {
  readonly user: {
    readonly name: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly method: string;
  readonly path: string;
  readonly allowed: boolean;
}

interface Phase extends RecordedPolicy {
  readonly name: string;
  readonly requests: readonly Request[];
}

const { phases } = recorded('scrapes.json') as { readonly phases: readonly Phase[] };

describe('every recorded scrape, from a front proxy over raw TLS', () => {
  const directory = temporaryDirectory();
  let pki: RecordedPki;
  beforeAll(async () => {
    pki = await createRecordedPki(directory);
  });

  it.each(phases)('of phase $name is allowed or refused as recorded', async (phase) => {
    const policy = temporaryDirectory();
    policy.write('policy.json', manifestOf(phase));
    const server = await startCli(['--mode=shard', ...pki.flags, `--rbac-dir=${policy.path}`]);
    const proxy = pki.certificates['front-proxy'];
    const client = new RawClient({ port: server.port, ...keyPairOf(proxy) });
    const faults: unknown[] = [];
    for (const request of phase.requests) {
      const { method, user } = request;
      const { status } = await client.request(request.path, { method, headers: remoteHeaders(user) });
      const allowed = method === 'POST' ? 405 : 200;
      if (status !== (request.allowed ? allowed : 403)) faults.push({ request, status });
    }
    client.close();
    expect(await server.stop()).toBe(0);
    expect(faults).toEqual([]);
  });
});
