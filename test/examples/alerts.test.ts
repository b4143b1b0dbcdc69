import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { prometheusConfig } from '../../src/cli/demo/instructions.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { outputOf, repository } from './commands.js';
import { objectsIn, type KubernetesObject } from './manifest-schemas.js';
import { isSkippedWithout } from './prometheus-programs.js';
import { printedManifests } from './printed-manifests.js';
import { exampleReadme } from './readme.js';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert?: string; readonly expr: string }[];
  }[];
}

const folder = join(repository, 'examples/alerts');
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
const rules = (parse(read('rules.yaml')) as Rules).groups.flatMap((group) => group.rules);
const alerts = rules.flatMap(({ alert }) => alert ?? []);

/** A test compares the page with the metrics that src/telemetry makes. */
const metrics = new Set(readFileSync(join(repository, 'docs/metrics.md'), 'utf8').match(/(?<=^\| `)\w+/gm));
const isMetric = (name: string): boolean => metrics.has(name.replace(/_(?:bucket|count|sum)$/, ''));

describe('the rules of the examples', () => {
  it('are what `manifests rule-file` prints, and the spec of what `manifests prometheus-rules` does', async () => {
    const { spec } = parse(await printedManifests('prometheus-rules')) as { readonly spec: unknown };
    const plain: unknown = parse(await printedManifests('rule-file'));
    expect(plain).toEqual(parse(read('rules.yaml')));
    expect(spec).toEqual(plain);
  });

  it('have a section each on the page that --runbook-url is for', async () => {
    const url = 'https://docs.example.org/alerts.html';
    const printed = await printedManifests('rule-file', `--runbook-url=${url}`);
    const links = [...printed.matchAll(/^ +runbook_url: (\S+)$/gm)].map(([, link]) => link);
    expect(links).toEqual(alerts.map((alert) => `${url}#${alert.toLowerCase()}`));
    const page = readFileSync(join(repository, 'docs/alerts.md'), 'utf8');
    expect([...page.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading)).toEqual(alerts);
  });

  it('name metrics that exist, and so does the dashboard', () => {
    const dashboard = readFileSync(join(repository, 'examples/grafana/dashboard.json'), 'utf8');
    const names = new Set(
      [...rules.map(({ expr }) => expr), dashboard].flatMap(
        (text) => text.match(/\b(?:kcp_metrics_filter|apiserver|authentication|rest_client)_\w+/g) ?? [],
      ),
    );
    expect(names.size).toBeGreaterThan(30);
    expect([...names].filter((name) => !isMetric(name))).toEqual([]);
    expect(isMetric('kcp_metrics_filter_certificate_days_left')).toBe(false);
  });

  it('have each alert in the README and in the tests', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(read('README.md').match(/(?<=^\| `)KcpMetricsFilter\w+/gm)).toEqual(alerts);
    expect(alerts.filter((alert) => !read('rules.test.yaml').includes(`"${alert}"`))).toEqual([]);
  });
});

const example = (file: string): string => readFileSync(join(repository, 'examples', file), 'utf8');
const shipped = readdirSync(join(repository, 'examples'), { recursive: true, encoding: 'utf8' });

/** The jobs of a prometheus.yml, or a part of it. */
function jobsIn(text: string): readonly string[] {
  const { scrape_configs: jobs } = parse(text) as {
    readonly scrape_configs: readonly { readonly job_name: string }[];
  };
  return jobs.map(({ job_name: name }) => name);
}

/** The jobs that the Prometheus operator makes of an object: by its name, by a label, or by the Service's name. */
function operatorJobs(object: KubernetesObject, services: readonly KubernetesObject[]): readonly string[] {
  const { kind } = object;
  const spec = (object as { readonly spec?: MonitorSpec }).spec ?? {};
  if (kind === 'ScrapeConfig') return [spec.jobName ?? ''];
  const labels = spec.selector?.matchLabels ?? {};
  if (kind === 'PodMonitor') return [labels[spec.jobLabel ?? ''] ?? ''];
  if (kind !== 'ServiceMonitor') return [];
  const selected = services.filter(({ metadata }) =>
    Object.entries(labels).every(([label, value]) => metadata.labels?.[label] === value),
  );
  return selected.map(({ metadata }) => metadata.labels?.[spec.jobLabel ?? ''] ?? metadata.name);
}

interface MonitorSpec {
  readonly jobName?: string;
  readonly jobLabel?: string;
  readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
}

/** What rules select jobs by. */
function selectorsIn(text: string): readonly RegExp[] {
  const selectors = new Set(text.match(/(?<=\bjob=~?")[^"]+/g));
  return [...selectors].map((selector) => new RegExp(`^(?:${selector})$`));
}

describe('the jobs that are shipped', () => {
  const urls = { root: 'https://localhost:1', second: 'https://localhost:2', cache: 'https://localhost:3' };
  const files = shipped.filter((file) => file.endsWith('prometheus.yml'));

  it('are all those that the rules select, in each prometheus.yml', async () => {
    expect(files.length).toBeGreaterThanOrEqual(3);
    const jobs = [
      ...files.flatMap((file) => jobsIn(example(file))),
      ...jobsIn(prometheusConfig(urls)),
      ...jobsIn(
        await printedManifests(
          'scrape-job',
          `--config=${join(repository, 'examples/prometheus-operator/config.yaml')}`,
        ),
      ),
    ];
    const selectors = selectorsIn(read('rules.yaml'));
    expect(selectors).not.toEqual([]);
    for (const selector of selectors) {
      for (const job of jobs) expect(job).toMatch(selector);
      for (const job of ['node', 'kcp-shards', 'kcp-metrics-filters']) expect(job).not.toMatch(selector);
    }
  });

  it.each(['prometheus-operator', 'kubernetes-sidecar'])('are those of the operator, too: %s', (folder) => {
    const objects = shipped
      .filter((file) => file.startsWith(`${folder}/`) && file.endsWith('.yaml'))
      .flatMap((file) => objectsIn(example(file)));
    const services = objects.filter(({ kind }) => kind === 'Service');
    const jobs = objects.flatMap((object) => operatorJobs(object, services));
    expect(jobs.length).toBeGreaterThan(0);
    const selectors = selectorsIn(example('prometheus-operator/prometheus-rules.yaml'));
    expect(selectors).not.toEqual([]);
    for (const selector of selectors) for (const job of jobs) expect(job).toMatch(selector);
  });

  it('are asked for by the dashboard by its variable alone', () => {
    const text = example('grafana/dashboard.json').replaceAll('\\"', '"');
    expect(new Set(text.match(/\bjob\s*[=!]~?\s*"[^"]*"/g))).toEqual(new Set(['job=~"$job"']));
  });
});

describe.skipIf(isSkippedWithout('examples/alerts', 'promtool'))('promtool', () => {
  it('finds nothing wrong, and says what the README shows', async () => {
    const steps = exampleReadme('alerts').transcripts.flat();
    expect(steps).toHaveLength(2);
    for (const { command, output } of steps) expect(await outputOf(command, folder)).toBe(output);
  });

  it.each([
    ['a threshold that is another', '< 14 * 86400', '< 1 * 86400'],
    ['a metric that is misspelt', 'refused_scrapes_total', 'refused_scrape_total'],
    ['an alert on every layer', '== 1 and ignoring (state)', '== 1 or ignoring (state)'],
  ])('notices %s', (_which, from, to) => {
    const directory = temporaryDirectory();
    cpSync(folder, directory.path, { recursive: true });
    const wrong = read('rules.yaml').replaceAll(from, to);
    expect(wrong).not.toBe(read('rules.yaml'));
    directory.write('rules.yaml', wrong);
    const { status } = spawnSync('promtool', ['test', 'rules', join(directory.path, 'rules.test.yaml')]);
    expect(status).not.toBe(0);
  });
});

describe.skipIf(isSkippedWithout('examples/alerts/alertmanager.yaml', 'amtool'))('amtool', () => {
  it('finds nothing wrong with the route', () => {
    const file = join(folder, 'alertmanager.yaml');
    const { status, stdout } = spawnSync('amtool', ['check-config', file], { encoding: 'utf8' });
    expect(stdout).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  it.each([
    ['{severity="critical", alertname="KcpMetricsFilterDown"}', 'on-call'],
    ['{severity="warning", alertname="KcpMetricsFilterFileRefused"}', 'working-days'],
    ['{severity="critical", alertname="NodeDown"}', 'nobody'],
  ])('routes %s to %s', (labels, receiver) => {
    const args = ['config', 'routes', 'test', `--config.file=${join(folder, 'alertmanager.yaml')}`];
    const given = labels.slice(1, -1).replaceAll('"', '').split(', ');
    expect(spawnSync('amtool', [...args, ...given], { encoding: 'utf8' }).stdout.trim()).toBe(receiver);
  });
});
