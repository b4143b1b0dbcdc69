import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seriesOf } from '../series.js';
import { listeners, MeasuredServer } from './measured-server.js';
import { anyCharacter } from '../../support/any-character.js';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH'];
const queries = ['', '?watch=1', '?dryRun=All', '?dryRun=x', '?fieldSelector=metadata.name=y'];
const forms = [
  (name: string) => `/api/v1/${name}`,
  (name: string) => `/api/${name}/pods/y`,
  (name: string) => `/apis/${name}/v1/namespaces/x/things/y/status`,
  (name: string) => `/apis/example.com/v1/namespaces/x/things/y/${name}`,
  (name: string) => `/clusters/${name}/api/v1/watch/${name}`,
  (name: string) => `/healthz/${name}`,
  (name: string) => `/${name}?${name}`,
];

/** Another one for every number below a hundred thousand. */
function requestLine(at: number): string {
  const method = methods[at % methods.length] ?? '';
  const path = forms[at % forms.length]?.(`n${at}`) ?? '';
  return `${method} ${path}${queries[at % queries.length] ?? ''} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

describe('a stranger who sends random requests', () => {
  const [, , [, listener] = []] = listeners;
  let server: MeasuredServer;

  async function send(first: number, count: number): Promise<void> {
    const client = await server.connect();
    client.resume();
    for (let at = first; at < first + count; at += 1) {
      if (!client.write(requestLine(at))) await once(client, 'drain');
    }
    client.end();
    await once(client, 'close');
  }

  it('does not grow the registry by 20,000 that are refused', { timeout: 60_000 }, async () => {
    if (listener === undefined) throw new Error('no listener');
    let code = 403;
    server = await MeasuredServer.start(listener, (_, response) => {
      response.writeHead(code).end();
    });
    await send(0, 5_000);
    const before = (await seriesOf(server.registry)).length;
    await send(5_000, 15_000);
    const series = await seriesOf(server.registry);
    expect(series).toHaveLength(before);
    expect(before).toBeLessThan(1000);
    const counted = series.filter(({ name }) => name === 'apiserver_request_total');
    // Two of the seven forms are no resource's.
    const resources = Array.from({ length: 20_000 }, (_, at) => at % forms.length).filter((form) => form < 5);
    expect(counted.reduce((sum, { value }) => sum + value, 0)).toBe(resources.length);
    expect(new Set(counted.map(({ labels }) => labels['resource']))).toEqual(new Set(['other']));

    code = 200;
    await send(0, 5_000);
    const served = await seriesOf(server.registry);
    expect(new Set(served.map(({ labels }) => labels['resource'])).size).toBeLessThan(500);
    await send(5_000, 5_000);
    expect((await seriesOf(server.registry)).length).toBe(served.length);
  });

  it('is answered, whatever they send', async () => {
    if (listener === undefined) throw new Error('no listener');
    server = await MeasuredServer.start(listener, (_, response) => response.end());
    const target = fc
      .string({ unit: anyCharacter, maxLength: 60 })
      .map((text) => encodeURI(text.toWellFormed()));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('GET', 'POST', 'DELETE'), target, async (method, text) => {
        const answer = await fetch(`${server.url}/${text}`, { method });
        await answer.arrayBuffer();
        expect(answer.status).toBe(200);
      }),
      { numRuns: 200 },
    );
  });
});
