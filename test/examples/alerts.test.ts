import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { outputOf, repository } from './commands.js';
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

/** The text of every source file: names of metrics are written there, some behind a prefix. */
const sources = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.includes('manifests'))
  .map((file) => readFileSync(join(repository, 'src', file), 'utf8'))
  .join('\n');

function isMetric(name: string): boolean {
  const family = name.replace(/_(?:bucket|count|sum)$/, '');
  const behindPrefix = ['kcp_metrics_filter', 'kcp_metrics_filter_policy', 'kcp_metrics_filter_certificate']
    .filter((prefix) => family.startsWith(`${prefix}_`))
    .map((prefix) => `}${family.slice(prefix.length)}`);
  return [`'${family}'`, ...behindPrefix].some((text) => sources.includes(text));
}

describe('the rules of the examples', () => {
  it('are those that `manifests prometheus-rules` prints', async () => {
    const { spec } = parse(await printedManifests('prometheus-rules')) as { readonly spec: unknown };
    expect(parse(read('rules.yaml'))).toEqual(spec);
  });

  it('name metrics that exist', () => {
    const names = new Set(
      rules.flatMap(
        ({ expr }) => expr.match(/\b(?:kcp_metrics_filter|apiserver|authentication|rest_client)_\w+/g) ?? [],
      ),
    );
    expect(names.size).toBeGreaterThan(12);
    expect([...names].filter((name) => !isMetric(name))).toEqual([]);
    expect(isMetric('kcp_metrics_filter_certificate_days_left')).toBe(false);
  });

  it('have each alert in the README and in the tests', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(read('README.md').match(/(?<=^\| `)KcpMetricsFilter\w+/gm)).toEqual(alerts);
    expect(alerts.filter((alert) => !read('rules.test.yaml').includes(`"${alert}"`))).toEqual([]);
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
    onTestFinished(() => {
      directory.remove();
    });
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
