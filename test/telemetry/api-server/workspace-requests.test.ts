import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { apiserverMetrics, type ApiserverMetricsOptions } from '../../../src/index.js';
import { listenHttp } from '../../support/listening.js';

const real = new Set(['1org', '2org', '3org']);

/** Answers requests of real workspaces, and health to everybody. Returns the lines of workspaces, once all are counted. */
async function counted(
  paths: readonly string[],
  options: Omit<ApiserverMetricsOptions, 'registry'> = { workspaceLabel: 'cluster' },
): Promise<readonly string[]> {
  const registry = new Registry();
  const measure = apiserverMetrics({ registry, ...options });
  const server = await listenHttp((request, response) => {
    measure(request, response, () => {
      const [, , name = '', ...rest] = (request.url ?? '').split('/');
      response.statusCode = real.has(name) || rest[0] === 'healthz' ? 200 : 404;
      response.end('body');
    });
  });
  for (const path of paths) await (await fetch(`http://127.0.0.1:${server.port}${path}`)).text();
  await server.close();
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith('apiserver_workspace_'));
}

const total = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => line.startsWith('apiserver_workspace_request_total'));
const list = (name: string): string => `/clusters/${name}/api/v1/pods`;

describe('requests for one workspace', () => {
  it('are counted, timed and sized by its name', async () => {
    const lines = await counted([
      list('1org'),
      list('1org'),
      list('2org'),
      '/clusters/1org/api/v1/pods/x?a=b',
    ]);
    expect(total(lines)).toEqual([
      'apiserver_workspace_request_total{cluster="1org",code="200"} 3',
      'apiserver_workspace_request_total{cluster="2org",code="200"} 1',
    ]);
    expect(lines).toContain('apiserver_workspace_request_duration_seconds_count{cluster="1org"} 3');
    expect(lines).toContain('apiserver_workspace_response_sizes_sum{cluster="1org"} 12');
  });

  it('are counted together where no workspace answered, or one that has no name to be counted under', async () => {
    const made = ['made-up', 'root:org', '*', 'A', '%22'].map(list);
    const lines = await counted([
      ...made,
      '/clusters/invented/healthz',
      list('1org'),
      '/clusters/1org/healthz',
    ]);
    expect(total(lines)).toEqual([
      'apiserver_workspace_request_total{cluster="",code="404"} 5',
      'apiserver_workspace_request_total{cluster="",code="200"} 1',
      'apiserver_workspace_request_total{cluster="1org",code="200"} 2',
    ]);
  });

  it('outside of workspaces are not counted', async () => {
    expect(total(await counted(['/api/v1/pods', '/healthz', '/clusters/']))).toEqual([]);
  });

  it('are counted together beyond the bound', async () => {
    const options = { workspaceLabel: 'ws', maxWorkspaces: 2 };
    const lines = await counted([...real, ...real].map(list), options);
    expect(total(lines).map((line) => line.replace(/.*(ws=\S*),.*/, '$1'))).toEqual([
      'ws="1org"',
      'ws="2org"',
      'ws=""',
    ]);
  });

  it('are named by whoever knows better, who cannot make a request fail', async () => {
    const workspaceOf: ApiserverMetricsOptions['workspaceOf'] = ({ url = '' }) => {
      if (url.includes('bad')) throw new Error('unknown');
      return url.includes('none') ? undefined : '7org';
    };
    const lines = await counted(['root:org', 'none', '2org'].map(list), {
      workspaceLabel: 'cluster',
      workspaceOf,
    });
    expect(total(lines).map((line) => line.replace(/.*(cluster=\S*)}.*/, '$1'))).toEqual([
      'cluster="7org",code="404"',
      'cluster="",code="404"',
      'cluster="7org",code="200"',
    ]);
  });

  it('never grow the registry by what clients make up', async () => {
    const target = fc.oneof(
      fc.string({ maxLength: 12 }).map((name) => list(encodeURIComponent(name))),
      fc.constantFrom('1org', '2org').map(list),
      fc.string({ maxLength: 12 }).map((path) => `/clusters/${encodeURIComponent(path)}/healthz`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(target, { maxLength: 20 }), async (targets) => {
        const names = total(await counted(targets)).map((line) => /cluster="([^"]*)"/.exec(line)?.[1] ?? '');
        for (const name of names) expect(['', ...real]).toContain(name);
      }),
      { numRuns: 30 },
    );
  });
});
