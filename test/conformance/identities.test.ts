import { beforeAll, describe, expect, it } from 'vitest';
import { keyPairOf, requestOnce, type RawHeaders } from '../support/raw-tls.js';
import { startRecordedServers, type RecordedServers } from '../support/recorded-servers.js';
import { startCli } from '../support/started-server.js';
import { recorded } from './recorded.js';

interface Answer {
  readonly status: number;
  readonly message?: string;
}

interface Row {
  readonly name: string;
  readonly certificate?: string;
  readonly headers?: RawHeaders;
  readonly shard: Answer;
  readonly cacheServer: Answer;
}

const { tokens, rows } = recorded('identities.json') as {
  readonly tokens: string;
  readonly rows: readonly Row[];
};

describe('every recorded identity, over raw TLS', () => {
  let servers: RecordedServers;
  beforeAll(async () => {
    servers = await startRecordedServers(startCli, tokens);
  });

  const cases = rows.flatMap((row) => (['shard', 'cacheServer'] as const).map((server) => ({ row, server })));

  it.each(cases)('$row.name, on the $server', async ({ row, server }) => {
    const pair = row.certificate === undefined ? undefined : servers.pki.certificates[row.certificate];
    expect(pair === undefined).toBe(row.certificate === undefined);
    const { port } = servers[server];
    const { headers = {} } = row;
    const { status, body } = await requestOnce({ port, ...keyPairOf(pair) }, '/metrics', { headers });
    expect(status).toBe(row[server].status);
    const { message } = row[server];
    // Impersonation is refused in words of our own; an unencoded header name never gets as far as a Status.
    const isByStatusAlone = status === 400 || row.name.includes('impersonating');
    if (message !== undefined && !isByStatusAlone) {
      expect((JSON.parse(body) as { message: string }).message).toBe(message);
    }
  });
});
