import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { Registry } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { apiserverMetrics } from '../../../src/telemetry/api-server/apiserver-metrics.js';
import { linesOf } from '../series.js';
import { listeners, MeasuredServer } from './measured-server.js';

const namespaced = '/api/v1/namespaces/x/pods';
const ofPods = 'group="",version="v1",resource="pods",subresource=""';

/** Answers as paths and queries ask. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
  response.statusCode = Number(searchParams.get('code') ?? '200');
  if (pathname.endsWith('/throws')) throw new Error('a handler that fails');
  if (pathname.endsWith('/hangs')) return;
  if (searchParams.get('watch') === 'true') {
    response.write('{"type":"BOOKMARK"}\n');
    return;
  }
  if (pathname.endsWith('/streamed')) {
    Readable.from([Buffer.alloc(1000), 'é'.repeat(500), 'ff'.repeat(250)]).pipe(response);
    return;
  }
  if (pathname.endsWith('/breaks')) {
    response.write('half');
    response.socket?.destroy();
    return;
  }
  response.end(request.method === 'HEAD' ? undefined : 'x'.repeat(100));
}

describe.each(listeners)('requests to %s', (_, listener) => {
  let server: MeasuredServer;
  it.each([
    ['GET', namespaced, 'verb="LIST"', 'scope="namespace"', 200],
    ['GET', `${namespaced}/y`, 'verb="GET"', 'scope="resource"', 200],
    ['HEAD', `${namespaced}/y`, 'verb="GET"', 'scope="resource"', 200],
    ['POST', `${namespaced}?code=201`, 'verb="POST"', 'scope="resource"', 201],
    ['DELETE', `/clusters/root:org${namespaced}`, 'verb="DELETE"', 'scope="namespace"', 200],
    ['PUT', `${namespaced}/y?code=302`, 'verb="PUT"', 'scope="resource"', 302],
  ])('are counted: %s %s', async (method, path, verb, scope, code) => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    await (await fetch(`${server.url}${path}`, { method, redirect: 'manual' })).arrayBuffer();
    await closed(await handled);
    const labels = `${verb},dry_run="",${ofPods},${scope},component="apiserver"`;
    expect(await server.lines('apiserver_request_total')).toEqual([
      `apiserver_request_total{${labels},code="${code}"} 1`,
    ]);
    expect(await server.lines('apiserver_request_duration_seconds_count')).toEqual([
      `apiserver_request_duration_seconds_count{${labels}} 1`,
    ]);
    expect(await server.lines('apiserver_request_sli_duration_seconds_count')).toHaveLength(1);
    expect(await server.lines('apiserver_response_sizes_count')).toHaveLength(method === 'GET' ? 1 : 0);
    expect(await server.lines('apiserver_request_aborts_total')).toEqual([]);
  });

  it('are measured by the bytes of their bodies, streamed or not', async () => {
    server = await MeasuredServer.start(listener, answer);
    for (const path of [`${namespaced}/y`, `${namespaced}/streamed`, `${namespaced}/z?code=304`]) {
      const handled = server.handled();
      await (await fetch(`${server.url}${path}`)).arrayBuffer();
      await closed(await handled);
    }
    const [sum] = await server.lines('apiserver_response_sizes_sum');
    expect(sum).toMatch(/ 2600$/);
    expect(await server.lines('apiserver_response_sizes_count')).toEqual([expect.stringMatching(/ 3$/)]);
  });

  it.each([
    ['the client goes before the answer', '/hangs'],
    ['the server breaks off in the middle', '/breaks'],
  ])('that end early are aborts and no answers: %s', async (_, path) => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    const client = await server.connect();
    client.write(`GET ${namespaced}${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const response = await handled;
    const ended = closed(response);
    client.destroy();
    await ended;
    expect(await server.lines('apiserver_request_total')).toEqual([]);
    expect(await server.lines('apiserver_request_duration_seconds_count')).toEqual([]);
    expect(await server.lines('apiserver_request_aborts_total')).toEqual([expect.stringMatching(/ 1$/)]);
  });

  it('that last are running until the client has seen enough, and not in flight', async () => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    const client = await server.connect();
    client.write(`GET ${namespaced}?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const response = await handled;
    await once(client, 'data');
    const running = `apiserver_longrunning_requests{verb="WATCH",${ofPods},scope="namespace",component="apiserver"}`;
    expect(await server.lines('apiserver_longrunning_requests')).toEqual([`${running} 1`]);
    expect(await server.lines('apiserver_request_total')).toEqual([]);
    expect(await server.lines('apiserver_current_inflight_requests')).toEqual([
      'apiserver_current_inflight_requests{request_kind="mutating"} 0',
      'apiserver_current_inflight_requests{request_kind="readOnly"} 0',
    ]);
    const ended = closed(response);
    client.destroy();
    await ended;
    expect(await server.lines('apiserver_longrunning_requests')).toEqual([`${running} 0`]);
    expect(await server.lines('apiserver_request_total')).toEqual([
      expect.stringMatching(/^apiserver_request_total\{verb="WATCH",.*,code="200"\} 1$/),
    ]);
    expect(await server.lines('apiserver_request_aborts_total')).toEqual([]);
  });

  it('that last and are refused were never running', async () => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    const watch = await fetch(`${server.url}${namespaced}?watch=true&code=403`);
    await watch.body?.cancel();
    await closed(await handled);
    expect(await server.lines('apiserver_longrunning_requests')).toEqual([]);
    expect(await server.lines('apiserver_request_total')).toEqual([expect.stringContaining('code="403"} 1')]);
  });

  it('are in flight until their answers are out', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    server = await MeasuredServer.start(listener, answer);
    const inflight = async () => (await server.lines('apiserver_current_inflight_requests')).join('\n');
    const client = await server.connect();
    const handled = server.handled();
    client.write(`POST ${namespaced}/hangs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
    const response = await handled;
    expect(await inflight()).toContain('{request_kind="mutating"} 1');
    expect(await inflight()).toContain('{request_kind="readOnly"} 0');
    const ended = closed(response);
    response.end();
    await ended;
    expect(await inflight()).toContain('{request_kind="mutating"} 1');
    vi.advanceTimersByTime(3000);
    expect(await inflight()).toContain('{request_kind="mutating"} 0');
  });

  it('on one connection are counted one by one', async () => {
    server = await MeasuredServer.start(listener, answer);
    const client = await server.connect();
    for (let at = 0; at < 3; at += 1) {
      const handled = server.handled();
      client.write(`GET ${namespaced} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await closed(await handled);
    }
    expect(await server.lines('apiserver_request_total')).toEqual([expect.stringMatching(/code="200"\} 3$/)]);
  });

  it('that stand in line on a connection are counted, and aborts when it breaks before their turn', async () => {
    const responses: ServerResponse[] = [];
    server = await MeasuredServer.start(listener, (_, response) => responses.push(response));
    const line = `GET ${namespaced} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const client = await server.connect();
    const handled = server.handled();
    client.write(line.repeat(40));
    await handled;
    // The rest of one write is parsed in the same turn of the event loop.
    expect(responses).toHaveLength(40);
    const [first, second, third] = responses;
    const ended = Promise.all([first, second].map(closed));
    first?.end('one');
    second?.end('two');
    await ended;
    expect(await server.lines('apiserver_request_total')).toEqual([expect.stringMatching(/code="200"\} 2$/)]);
    const cut = closed(third);
    client.destroy();
    await cut;
    expect(await server.lines('apiserver_request_aborts_total')).toEqual([expect.stringMatching(/ 38$/)]);
  });

  it.each([
    ['/metrics', 200],
    ['/metrics/slis', 200],
    ['/version', 200],
    ['/version?watch=true', 200],
    ['/api', 200],
    ['/apis', 200],
    ['/api/v1', 200],
    ['/apis/apps', 200],
    ['/clusters/root:org/apis', 200],
    ['/openapi/v3', 200],
    ['/readyz/ping', 200],
    ['/debug/pprof/profile', 200],
    ['/nothing', 404],
    ['/apis/nosuch.example.com/v1/things', 404],
    ['/api/v1/nosuch/x', 404],
  ])('for what Kubernetes does not report are not reported: %s', async (path, code) => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    const search = `${path.includes('?') ? '&' : '?'}code=${code}`;
    const { body } = await fetch(`${server.url}${path}${search}`);
    await body?.cancel();
    await closed(await handled);
    const lines = (await linesOf(server.registry)).filter((line) => !line.includes('current_inflight'));
    expect(lines).toEqual([]);
  });

  it('for no object of a resource that is known are reported', async () => {
    server = await MeasuredServer.start(listener, answer, {
      resources: [{ group: '', version: 'v1', resource: 'pods' }],
    });
    const handled = server.handled();
    await (await fetch(`${server.url}${namespaced}/nope?code=404`)).arrayBuffer();
    await closed(await handled);
    expect(await server.lines('apiserver_request_total')).toEqual([
      `apiserver_request_total{verb="GET",dry_run="",${ofPods},scope="resource",component="apiserver",code="404"} 1`,
    ]);
  });

  it.each([
    ['', 'LIST', 1, 1],
    ['/y', 'GET', 1, 1],
    ['?watch=true', 'WATCH', 0, 1],
    ['/y/log', 'CONNECT', 1, 0],
    ['/y/proxy/metrics', 'CONNECT', 1, 0],
    ['?dryRun=All', 'LIST', 0, 1],
  ])('%s are a %s: in the service level %d, sized %d', async (path, verb, inServiceLevel, sized) => {
    server = await MeasuredServer.start(listener, answer);
    const handled = server.handled();
    const { body } = await fetch(`${server.url}${namespaced}${path}`);
    await body?.cancel();
    await closed(await handled);
    expect(await server.lines('apiserver_request_total')).toEqual([
      expect.stringContaining(`{verb="${verb}",`) as string,
    ]);
    const { length: level } = await server.lines('apiserver_request_sli_duration_seconds_count');
    const { length: sizes } = await server.lines('apiserver_response_sizes_count');
    expect([level, sizes]).toEqual([inServiceLevel, sized]);
    expect(await server.lines('apiserver_request_duration_seconds_count')).toHaveLength(1);
  });

  it('whose client had gone before they came here are aborts, and in flight no more', async () => {
    server = await MeasuredServer.start(listener, () => undefined);
    const client = await server.connect();
    const handled = server.handled();
    client.write(`GET ${namespaced} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const response = await handled;
    client.destroy();
    await closed(response);
    const registry = new Registry();
    apiserverMetrics({ registry })(response.req, response, () => undefined);
    const lines = await linesOf(registry);
    expect(lines).toContainEqual(expect.stringMatching(/^apiserver_request_aborts_total\{.*\} 1$/));
    expect(lines).not.toContainEqual(expect.stringMatching(/^apiserver_request_total/));
  });
});

describe.each(listeners.slice(0, 2))('requests to %s', (_, listener) => {
  it('of which a handler throws are 500', async () => {
    const server = await MeasuredServer.start(listener, answer, {
      resources: [{ group: '', version: 'v1', resource: 'pods' }],
    });
    const handled = server.handled();
    await (await fetch(`${server.url}${namespaced}/throws`)).arrayBuffer();
    await closed(await handled);
    expect(await server.lines('apiserver_request_total')).toEqual([
      expect.stringContaining(
        'resource="pods",subresource="",scope="resource",component="apiserver",code="500"} 1',
      ),
    ]);
    await server.stop();
  });
});

async function closed(response: ServerResponse | undefined): Promise<void> {
  if (response !== undefined && !response.closed) await once(response, 'close');
}
