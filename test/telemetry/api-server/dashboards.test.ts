import { spawnSync } from 'node:child_process';
import { Registry } from 'prom-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRequired } from '../../support/required.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { listeners, MeasuredServer } from './measured-server.js';
import { healthcheckMetrics } from '../../../src/telemetry/server-metrics.js';

const isInstalled = spawnSync('promtool', ['--version']).status === 0;
if (!isInstalled && !isRequired) {
  process.stderr.write('dashboards are NOT tested: promtool is not installed (apt-get install prometheus)\n');
}

const ofServer = 'job="kube-apiserver"';
const reads = `${ofServer},verb=~"LIST|GET"`;
const writes = `${ofServer},verb=~"POST|PUT|PATCH|DELETE"`;
const notStreaming = 'subresource!~"proxy|attach|log|exec|portforward"';
const sli = 'apiserver_request_sli_duration_seconds';

/** What Kubernetes' well-known rules, alerts and dashboards ask for. */
const questions: Readonly<Record<string, string>> = {
  'the rate of reads by code and resource': `sum by (code,resource) (rate(apiserver_request_total{${reads}}[5m]))`,
  'the rate of writes by code': `sum by (code) (rate(apiserver_request_total{${writes}}[5m]))`,
  errors: `sum(rate(apiserver_request_total{${ofServer},code=~"5.."}[5m]))`,
  'requests of an hour by verb': `sum by (verb) (increase(apiserver_request_total{${ofServer},code=~"2.."}[1h]))`,
  'reads of one object that were fast': `sum(rate(${sli}_bucket{${reads},${notStreaming},scope=~"resource|",le=~"1(\\\\.0)?"}[5m]))`,
  'reads of a namespace that were fast': `sum(rate(${sli}_bucket{${reads},${notStreaming},scope="namespace",le=~"5(\\\\.0)?"}[5m]))`,
  'reads of a cluster that were fast': `sum(rate(${sli}_bucket{${reads},${notStreaming},scope="cluster",le=~"30(\\\\.0)?"}[5m]))`,
  'writes that were fast': `sum(rate(${sli}_bucket{${writes},${notStreaming},le=~"1(\\\\.0)?"}[5m]))`,
  'a 99th percentile by resource': `histogram_quantile(0.99, sum by (le,resource) (rate(${sli}_bucket{${reads},${notStreaming}}[5m]))) > 0`,
  'a mean latency': `sum(rate(apiserver_request_duration_seconds_sum{${ofServer},verb!="WATCH"}[5m])) / sum(rate(apiserver_request_duration_seconds_count{${ofServer},verb!="WATCH"}[5m]))`,
  'the sizes of lists': `histogram_quantile(0.9, sum by (le) (rate(apiserver_response_sizes_bucket{verb="LIST"}[5m])))`,
  'requests in flight': 'sum by (request_kind) (apiserver_current_inflight_requests)',
  watches: `sum(apiserver_longrunning_requests{${ofServer},verb="WATCH"})`,
  aborts: 'sum(rate(apiserver_request_aborts_total[5m]))',
  'what component is asked': `count by (component) (apiserver_request_total{component="apiserver"})`,
  'failing checks': 'kubernetes_healthcheck{type="readyz"} == 0',
  'how often checks failed': 'sum by (name) (rate(kubernetes_healthchecks_total{status="error"}[5m]))',
};

/** What a client of a busy API server does. */
const requests = [
  ['GET', '/api/v1/nodes'],
  ['GET', '/api/v1/namespaces/x/pods'],
  ['GET', '/api/v1/namespaces/x/pods/y'],
  ['POST', '/api/v1/namespaces/x/pods'],
  ['PATCH', '/apis/apps/v1/namespaces/x/deployments/y'],
  ['DELETE', '/apis/apps/v1/namespaces/x/deployments/y?dryRun=All'],
  ['GET', '/api/v1/namespaces/x/pods/y?fail'],
  ['GET', '/healthz'],
  ['GET', '/nothing'],
] as const;

describe.skipIf(!isInstalled && !isRequired)('dashboards of Kubernetes', () => {
  const directory = temporaryDirectory();
  let exposition: string;

  beforeAll(async () => {
    const [[, listener] = []] = listeners;
    if (listener === undefined) throw new Error('no listener');
    const server = await MeasuredServer.start(listener, ({ url = '' }, response) => {
      if (url.endsWith('watch=true')) response.write('{}\n');
      else if (url.endsWith('?cut')) response.destroy();
      else response.writeHead(url.endsWith('?fail') ? 500 : 200).end('{}');
    });
    for (const [method, path] of requests) await (await fetch(`${server.url}${path}`, { method })).text();
    await expect(fetch(`${server.url}/api/v1/pods?cut`)).rejects.toThrow();
    const watch = await fetch(`${server.url}/api/v1/pods?watch=true`);
    const slis = new Registry();
    const observe = healthcheckMetrics(slis);
    observe({ name: 'etcd', type: 'readyz', ok: false });
    exposition = (await server.registry.metrics()) + (await slis.metrics());
    await watch.body?.cancel();
    await server.stop();
  });

  it('get metrics that promtool has nothing against', () => {
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], { input: exposition });
    expect(`${stdout.toString()}${stderr.toString()}`).toBe('');
    expect(status).toBe(0);
  });

  it.each(Object.entries(questions))('have an answer to their question for %s', (_, query) => {
    const file = directory.write(
      'question.yml',
      JSON.stringify({
        tests: [
          {
            interval: '1m',
            input_series: seriesOfAnHour(exposition),
            promql_expr_test: [
              {
                expr: `count(${query}) > bool 0`,
                eval_time: '65m',
                exp_samples: [{ labels: '{}', value: 1 }],
              },
            ],
          },
        ],
      }),
    );
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file]);
    expect(`${stdout.toString()}${stderr.toString()}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});

/** As if the same happened once every minute. */
function seriesOfAnHour(exposition: string): readonly { readonly series: string; readonly values: string }[] {
  const samples = exposition.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return samples.map((line) => {
    const at = line.lastIndexOf(' ');
    return {
      series: line.slice(0, at).replace('{', '{job="kube-apiserver",'),
      values: `0+${line.slice(at + 1)}x70`,
    };
  });
}
