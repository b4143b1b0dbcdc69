import { beforeAll, describe, expect, it } from 'vitest';
import { keyPairOf, RawClient, type RawAnswer } from '../support/raw-tls.js';
import { startRecordedServers, type RecordedServers } from '../support/recorded-servers.js';
import { startCli } from '../support/started-server.js';
import { recorded } from './recorded.js';

type Identity = 'anonymous' | 'prometheus' | 'masters';
type ByIdentity<Value> = Readonly<Partial<Record<Identity, Value>>>;

type Expectation =
  | { readonly expect: 'reject'; readonly status: number; readonly body: string }
  | { readonly expect: 'serve'; readonly status: ByIdentity<number>; readonly body?: ByIdentity<string> }
  | { readonly expect: 'health'; readonly status: 200; readonly body?: string }
  | { readonly expect: 'redirect'; readonly status: 307; readonly location: string }
  | { readonly expect: 'withhold' };

interface Row {
  readonly target: string;
  readonly shard: Expectation;
  readonly cacheServer: Expectation;
}

const rows = recorded('paths.json') as readonly Row[];
const identities: readonly Identity[] = ['anonymous', 'prometheus', 'masters'];
const isExposition = (body: string): boolean => body.includes('# HELP');

/** What is wrong with an answer; undefined when it is as recorded. */
function fault(expected: Expectation, identity: Identity, answer: RawAnswer): unknown {
  const { status, body, headers } = answer;
  const isFine = ((): boolean => {
    switch (expected.expect) {
      case 'reject':
        return status === expected.status && body === expected.body;
      case 'serve':
        return (
          status === expected.status[identity] &&
          (status === 200 ? isExposition(body) : body === expected.body?.[identity])
        );
      case 'health':
        return status === 200 && body === 'ok';
      case 'redirect':
        return status === 307 && headers.get('location') === expected.location;
      case 'withhold':
        return !isExposition(body) && (status < 200 || status > 299 || body === 'ok');
    }
  })();
  return isFine
    ? undefined
    : { identity, expected, status, body: body.slice(0, 300), location: headers.get('location') };
}

describe('every recorded request target, over raw TLS', () => {
  let servers: RecordedServers;
  beforeAll(async () => {
    servers = await startRecordedServers(startCli, '');
  });

  it.each(['shard', 'cacheServer'] as const)(
    'is answered by the %s as recorded',
    { timeout: 120_000 },
    async (server) => {
      expect(rows.length).toBeGreaterThan(900);
      const faults: unknown[] = [];
      await Promise.all(
        identities.map(async (identity) => {
          const pair = identity === 'anonymous' ? undefined : servers.pki.certificates[identity];
          const client = new RawClient({ port: servers[server].port, ...keyPairOf(pair) });
          for (const row of rows) {
            const answer = await client.request(row.target);
            const found = fault(row[server], identity, answer);
            if (found !== undefined) faults.push({ target: row.target, found });
          }
          client.close();
        }),
      );
      expect(faults).toEqual([]);
    },
  );

  it('is refused with 501 below a scope, by every method and for system:masters', async () => {
    const pair = servers.pki.certificates['masters'];
    const client = new RawClient({ port: servers.shard.port, ...keyPairOf(pair) });
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await client.request('/clusters/root/metrics', { method });
      expect({ method, status }).toEqual({ method, status: 501 });

      expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-cache, private');
      expect(headers.get('audit-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
