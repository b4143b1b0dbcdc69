import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRequired } from '../support/required.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, type Started } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

interface Targets {
  readonly data: {
    readonly activeTargets: readonly {
      readonly labels: Readonly<Record<string, string>>;
      readonly health: string;
      readonly lastError: string;
    }[];
  };
}

interface Vector {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
  };
}

const readme = exampleReadme('prometheus');
const example = join(repository, 'examples/prometheus/prometheus.yml');
const exampleText = readFileSync(example, 'utf8');
const listening = /"url":"https:\/\/127\.0\.0\.1:(\d+)"/;

/** The wrong job as an installation has it that was not mended. */
function withWrongJob(text: string): string {
  return text.replaceAll(/^ {2}#(?=- | {2})/gm, '  ');
}

function deniedJob(port: string): string {
  return `
  - job_name: mallory
    scheme: https
    tls_config:
      ca_file: credentials/ca.crt
      cert_file: credentials/mallory.crt
      key_file: credentials/mallory.key
    static_configs:
      - targets: ['localhost:${port}']
`;
}

const isInstalled = ['prometheus', 'promtool'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);
const missing = 'prometheus and promtool are not installed (apt-get install prometheus)';
if (!isInstalled && !isRequired) process.stderr.write(`examples/prometheus is NOT tested: ${missing}\n`);

describe.skipIf(!isInstalled && !isRequired)('Prometheus itself', () => {
  const directory = temporaryDirectory();
  const servers: Started[] = [];
  let ports: readonly string[];
  let prometheus: Started | undefined;

  beforeAll(async () => {
    if (!isInstalled) throw new Error(missing);
    await createCredentials(join(directory.path, 'credentials'));
    mkdirSync(join(directory.path, 'rbac'));
    copyFileSync(
      join(repository, 'rbac/prometheus-user.yaml'),
      join(directory.path, 'rbac/prometheus-user.yaml'),
    );
    const commands = scriptWith(readme, 'start-server.sh').trim().split('\n');
    for (const command of commands) {
      const here = command.replace(/\d+$/, '0');
      servers.push(await startCommand(`DIRECTORY=${directory.path} ${here}`, listening));
    }
    ports = servers.map(({ found }) => found);
    const [root = '', second = '', cacheServer = ''] = ports;
    const text = exampleText
      .replace('scrape_interval: 30s', 'scrape_interval: 500ms')
      .replaceAll('localhost:6443', `localhost:${root}`)
      .replaceAll('localhost:6444', `localhost:${second}`)
      .replaceAll('localhost:6445', `localhost:${cacheServer}`);
    directory.write('prometheus.yml', withWrongJob(text) + deniedJob(root));
    prometheus = await startCommand(
      scriptWith(readme, '--config.file')
        .replaceAll('/tmp/kcp-example', directory.path)
        .replace(':9090', ':0'),
      /msg="Listening on" address=(\S+)/,
    );
  });

  const get = async <Answer>(path: string): Promise<Answer> => {
    const response = await fetch(`http://${prometheus?.found ?? ''}/api/v1/${path}`);
    return (await response.json()) as Answer;
  };
  /** Health and error by job and port, as `/targets` shows them. */
  const targets = async (): Promise<Readonly<Record<string, string>>> => {
    const { data } = await get<Targets>('targets');
    return Object.fromEntries(
      data.activeTargets.map(({ labels, health, lastError }) => [
        `${labels['job'] ?? ''} ${labels['instance'] ?? ''}`,
        `${health} ${lastError}`.trim(),
      ]),
    );
  };
  const query = async (expression: string): Promise<Vector['data']['result']> =>
    (await get<Vector>(`query?query=${encodeURIComponent(expression)}`)).data.result;

  it('scrapes what is granted, is refused the rest, and gets 501 for a path of a workspace', async () => {
    const [root = '', second = '', cacheServer = ''] = ports;
    await expect.poll(targets, { timeout: 15_000, interval: 100 }).toEqual({
      [`kcp-metrics-filter localhost:${root}`]: 'up',
      [`kcp-metrics-filter localhost:${second}`]: 'up',
      [`kcp-metrics-filter-cache-server localhost:${cacheServer}`]: 'up',
      [`kcp-metrics-filter-by-token localhost:${root}`]: 'up',
      [`kcp-metrics-filter-by-token localhost:${second}`]: 'up',
      [`mallory localhost:${root}`]: 'down server returned HTTP status 403 Forbidden',
      [`kcp-root-workspace localhost:${root}`]: 'down server returned HTTP status 501 Not Implemented',
    });
  });

  it('answers queries with what it scraped', async () => {
    await expect.poll(() => query('up == 1'), { timeout: 15_000, interval: 100 }).toHaveLength(5);
    const results = await query('process_cpu_seconds_total{job="kcp-metrics-filter"}');
    expect(results.map(({ metric }) => metric['shard']).sort()).toEqual(['root', 'shard-2']);
    for (const { value } of results) expect(Number(value[1])).toBeGreaterThan(0);
    const rejected =
      'kcp_metrics_filter_rejected_requests_total{job="kcp-metrics-filter",shard="root",code="501"} > 0';
    await expect.poll(() => query(rejected), { timeout: 15_000, interval: 100 }).toHaveLength(1);
  });

  it('shows what the README shows', async () => {
    const steps = readme.transcripts.flat();
    expect(steps).toHaveLength(2);
    for (const { command, output } of steps) {
      const here = command
        .replace('127.0.0.1:9090', prometheus?.found ?? '')
        .replace('(up)', '(up{job=~"kcp-metrics-filter.*"})');
      await expect
        .poll(() => outputOf(here, directory.path), { message: command, timeout: 15_000, interval: 100 })
        .toBe(output);
    }
  });

  it.each([
    ['as it is', exampleText],
    ['with the wrong job un-commented', withWrongJob(exampleText)],
  ])('promtool finds nothing wrong with prometheus.yml %s', (_which, text) => {
    const file = directory.write('as-shown.yml', text);
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' });
    expect(stdout + stderr).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  it('the wrong job is there, and only as a comment', () => {
    const jobs = (text: string): number => text.match(/^ {2}- job_name:/gm)?.length ?? 0;
    expect(jobs(exampleText)).toBe(3);
    expect(jobs(withWrongJob(exampleText))).toBe(4);
  });

  it('promtool finds no fault with the exposition but names of Kubernetes and prom-client', async () => {
    const [root = ''] = ports;
    const exposition = await outputOf(
      `curl -s --cacert ca.crt --cert prometheus.crt --key prometheus.key https://localhost:${root}/metrics`,
      join(directory.path, 'credentials'),
    );
    expect(exposition).toContain('kcp_metrics_filter_scrape_duration_seconds_bucket');
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: `${exposition}\n`,
      encoding: 'utf8',
    });
    const remarks = (stdout + stderr).trim().split('\n').sort();
    const shouldHaveNoTotal = 'non-counter metrics should not have "_total" suffix';
    expect(remarks).toEqual([
      'authenticated_user_requests counter metrics should have "_total" suffix',
      'authentication_attempts counter metrics should have "_total" suffix',
      `nodejs_active_handles_total ${shouldHaveNoTotal}`,
      `nodejs_active_requests_total ${shouldHaveNoTotal}`,
      `nodejs_active_resources_total ${shouldHaveNoTotal}`,
    ]);
    // 3 is for remarks alone; what cannot be parsed is 1.
    expect(status).toBe(3);
  });
});
