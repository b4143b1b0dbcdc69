import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../../src/exposition/relabelling/filtered-exposition.js';
import { upstreamExposition } from '../../../src/exposition/sources/upstream/upstream.js';
import { beginScrape, listenFilter, scrape } from '../sources/upstream/upstream-servers.js';
import { listenHttp, type Listening } from '../../support/listening.js';
import { send, textFormat } from '../sources/upstream/upstream-setting.js';
import { closedAtEnd } from '../../support/ending.js';

const results: string[] = [];
beforeEach(() => {
  results.splice(0);
});

function filterBefore({ port }: Listening, options: FilteredExpositionOptions = {}): Promise<Listening> {
  const upstream = closedAtEnd(
    upstreamExposition({ url: `http://127.0.0.1:${port}/metrics`, stallTimeoutMs: 100 }),
  );
  const exposition = filteredExposition(upstream, { ...options, onScrape: (result) => results.push(result) });
  return listenFilter(exposition);
}

const line = 'a{namespace="host-a",pod="p"} 1\n';
const mapping = { current: LabelMapping.of({ namespace: { 'host-a': 'team-a' } }) };

describe('an upstream that is filtered', () => {
  it('is asked for what can be read, and answered in other names', async () => {
    const asked: unknown[] = [];
    const upstream = await listenHttp((request, response) => {
      asked.push(request.headers['accept-encoding'], request.headers.accept);
      send(`${line}a{namespace="host-b",pod="p"} 1\n`)(request, response);
    });
    const filter = await filterBefore(upstream, { labelMapping: mapping });
    const answer = await scrape(filter, { 'Accept-Encoding': 'gzip', Accept: '*/*' });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'a{namespace="team-a",pod="p"} 1\n']);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(asked).toEqual(['identity', 'text/plain;version=0.0.4']);
  });

  it.each([
    ['encoded all the same', send(gzipSync(line), { 'Content-Encoding': 'gzip' })],
    ['protobuf', send(line, { 'Content-Type': 'application/vnd.google.protobuf' })],
    ['malformed', send('a{namespace="host-a} 1\n')],
    ['cut off', send('a{namespace="host-a"}')],
  ])('is a 502 where it is %s', async (_what, answer) => {
    const filter = await filterBefore(await listenHttp(answer), { labelMapping: mapping });
    const { status, body } = await scrape(filter);
    expect([status, body.toString()]).toEqual([502, expect.not.stringContaining('host-a')]);
  });

  it.each([
    ['breaks off', 502, (response: ServerResponse) => response.socket?.destroy()],
    ['stands still', 504, () => undefined],
  ])('that %s before much of it has come is a %d', async (_what, status, fail) => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat });
      response.write(line.repeat(1_000), () => fail(response));
    });
    expect((await scrape(await filterBefore(upstream))).status).toBe(status);
    expect(results).toEqual(['failure']);
    await expect.poll(() => upstream.open.size).toBe(0);
  });

  it('breaks the transfer off where it is malformed later on', async () => {
    const upstream = await listenHttp(send(`${line.repeat(10_000)}broken{\n`));
    const answer = await beginScrape(await filterBefore(upstream));
    expect(answer.statusCode).toBe(200);
    await expect(once(answer.resume(), 'end')).rejects.toThrow('aborted');
    expect(results).toEqual(['failure']);
  });

  it('is left alone when the scraper goes away', async () => {
    const upstream = await listenHttp((_request, response) => {
      response.writeHead(200, { 'Content-Type': textFormat });
      response.write(line.repeat(100_000));
    });
    const answer = await beginScrape(await filterBefore(upstream));
    answer.destroy();
    await expect.poll(() => [results, upstream.open.size]).toEqual([['abandoned'], 0]);
  });
});
