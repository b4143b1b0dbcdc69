import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, repository, startCommand, statusOf, type Started } from './commands.js';
import { isSkippedWithout } from './prometheus-programs.js';
import { RunningPrometheus } from './running-prometheus.js';

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly collapsed?: boolean;
  /** Of a collapsed row. */
  readonly panels?: readonly Panel[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
  readonly links?: readonly { readonly title: string; readonly url: string }[];
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

interface Dashboard {
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

const file = join(repository, 'examples/grafana/dashboard.json');
const dashboard = JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
const { templating, title, schemaVersion } = dashboard;
const rows = dashboard.panels.filter(({ type }) => type === 'row');
const summary = dashboard.panels.filter(({ type }) => type !== 'row');
const shown = [...summary, ...rows.flatMap((row) => row.panels ?? [])];
const panels = [...rows, ...shown];
const queries = shown.flatMap(({ title: panel, targets = [] }) =>
  targets.map(({ expr }, at): [string, string] => [`${panel} ${at + 1}`, expr]),
);
/** What a filter has that was scraped and asked a little. */
const withData = new Set(
  `Up 1, Refused per second 1, Refused per second 2, Time to render (p99) 1, Policy 1,
   Certificate expires in 1, Alerts 1, Targets 1, Scrapes refused in 10 min 1, Maintenance 1,
   Answered 401 in 10 min 1, Answered 403 in 10 min 1, Connections closed in 10 min 1,
   Spoofed headers in 10 min 1, Certificates expire in 1, Authentication attempts 1, Decisions 1,
   Refused credentials 1, Rejected by their path 1, Time to render 1, Time to render 2, Time to render 3,
   Scrapes by origin 1, Scrapes by origin 2, Size 1, In flight 1, Clients cut 1, State 1, Age 1, Objects 1,
   Audit events 1, Audit events 2, Event loop lag (p99) 1, Processor 1, Memory 1`.split(/,\s+/),
);

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const alerts = (
  parse(read('examples/alerts/rules.yaml')) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[];
    }[];
  }
).groups.flatMap(({ rules }) => rules.filter((rule) => 'alert' in rule));
const metrics = new Set(read('docs/metrics.md').match(/(?<=^\| `)\w+/gm));
/** Those of Prometheus itself, those of the page, and prom-client's default metrics that the page mentions. */
const isMetric = (name: string): boolean =>
  ['up', 'ALERTS', 'scrape_samples_scraped'].includes(name) ||
  metrics.has(name.replace(/_(?:bucket|count|sum)$/, '')) ||
  /^(?:process|nodejs)_/.test(name);

/** An expression without what selects jobs and instances. */
function withoutSelectors(expression: string): string {
  return expression
    .replaceAll(/job=~"(?:\$job", instance=~"\$instance|kcp-metrics-filter\(-\.\+\)\?)"(?:, )?/g, '')
    .replaceAll('{}', '');
}

/** The thresholds that show where an alert begins to fire, or ceases to, of the rest of its expression. */
function boundsOf(rest: string): readonly number[] {
  if (rest === 'X' || rest === 'X == 0') return [1];
  if (rest === '0 < X < 14 * 86400') return [0, 14 * 86400];
  const bound = /^X (?:>|==|<=) (\d+)$/.exec(rest)?.[1];
  if (bound === undefined) throw new Error(`an alert's bound of a new form: ${rest}`);
  return [Number(bound)];
}

describe('the dashboard', () => {
  it('can be imported: whatever it asks, it asks of the data source that is chosen', () => {
    expect({ title, schemaVersion }).toEqual({ title: 'kcp-metrics-filter', schemaVersion: 39 });
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
      ['runbook', 'textbox'],
    ]);
    const uids = shown.flatMap(({ datasource, targets = [] }) => [
      datasource?.uid,
      ...targets.map((target) => target.datasource.uid),
    ]);
    expect(new Set(uids)).toEqual(new Set(['${datasource}']));
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it.each([
    ['the summary', dashboard.panels],
    ...rows.map(({ title: row, panels: inside = [] }) => [row, inside] as const),
  ] as const)('has no panel over another or beyond the edge in %s', (_row, group) => {
    const taken = new Set<string>();
    for (const { gridPos, title: panel } of group) {
      expect(gridPos.x + gridPos.w, panel).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`), panel).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  it('shows a summary and the alerts, and the details in collapsed rows', () => {
    expect(summary.map(({ title: panel }) => panel)).toEqual([
      'Up',
      'Refused per second',
      'Time to render (p99)',
      'Policy',
      'Certificate expires in',
      'Alerts',
    ]);
    expect(rows.map(({ title: row }) => row)).toEqual([
      'What the alerts watch',
      'Scrapers',
      'Scrapes',
      'Policy',
      'Single workspaces',
      'Files, audit log and process',
    ]);
    for (const { title: row, collapsed, panels: inside = [], gridPos } of rows) {
      expect([collapsed, inside.length > 0], row).toEqual([true, true]);
      for (const panel of inside) expect(panel.gridPos.y, panel.title).toBeGreaterThan(gridPos.y);
    }
    expect(summary.every(({ gridPos }) => gridPos.y < (rows[0]?.gridPos.y ?? 0))).toBe(true);
  });

  it.each(queries)('names metrics that exist: %s', (_name, expression) => {
    const names = [...expression.matchAll(/(\w+)\{/g)].map(([, name = '']) => name);
    expect(names).not.toEqual([]);
    expect(names.filter((name) => !isMetric(name))).toEqual([]);
  });

  it.each(alerts)(
    'shows what $alert watches, with its bound and a link to its meaning',
    ({ alert, expr }) => {
      const watched = withoutSelectors(expr);
      const link = { title: alert, url: `\${runbook:raw}#${alert.toLowerCase()}`, targetBlank: true };
      const found = (rows[0]?.panels ?? []).filter(({ links }) =>
        links?.some(({ title: name }) => name === alert),
      );
      expect(found).toHaveLength(1);
      const [{ targets = [], fieldConfig, links } = {} as Panel] = found;
      expect(links).toContainEqual(link);
      expect(targets).toHaveLength(1);
      const left = withoutSelectors(targets[0]?.expr ?? '');
      expect(watched).toContain(left);
      const steps = fieldConfig?.defaults.thresholds?.steps.map(({ value }) => value);
      expect(
        [null, ...boundsOf(watched.replace(left, 'X'))].filter((bound) => !steps?.includes(bound)),
      ).toEqual([]);
    },
  );

  it('has the bounds of alerts in the summary, too', () => {
    const steps = (panel: string) =>
      summary.find(({ title: name }) => name === panel)?.fieldConfig?.defaults.thresholds?.steps;
    const values = (panel: string) => steps(panel)?.map(({ value }) => value);
    expect(values('Up')).toEqual([null, ...boundsOf('X == 0')]);
    expect(values('Refused per second')).toEqual([null, 10 / 600]);
    expect(values('Certificate expires in')).toEqual([null, 0, 14 * 86400]);
    const linked = summary.flatMap(({ links = [] }) => links.map(({ title: name }) => name));
    const names = new Set(alerts.map(({ alert }) => alert));
    expect(linked.filter((name) => name.startsWith('Kcp') && !names.has(name))).toEqual([]);
  });

  it('has data in panels that exist', () => {
    const names = queries.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...withData].filter((name) => !names.includes(name))).toEqual([]);
  });
});

const soon = { timeout: 20_000, interval: 100 };
/** Nothing listens there. */
const down = 'localhost:1';

describe.skipIf(isSkippedWithout('examples/grafana', 'prometheus'))(
  'Prometheus, with all that is shipped',
  () => {
    const directory = temporaryDirectory();
    let filter: Started | undefined;
    let prometheus: RunningPrometheus | undefined;

    beforeAll(async () => {
      const credentials = join(directory.path, 'credentials');
      await createCredentials(credentials);
      mkdirSync(join(directory.path, 'rbac'));
      const binding = 'rbac/prometheus-user.yaml';
      cpSync(join(repository, binding), join(directory.path, binding));
      const flags = [
        '--mode=shard --bind-address=127.0.0.1 --secure-port=0 --anonymous-auth=false',
        `--tls-cert-file=${credentials}/server.crt --tls-private-key-file=${credentials}/server.key`,
        `--client-ca-file=${credentials}/ca.crt --token-auth-file=${credentials}/tokens.csv`,
        `--rbac-dir=${directory.path}/rbac --audit-log-path=${directory.path}/audit.log`,
      ];
      filter = await startCommand(
        `node dist/cli/main.js start ${flags.join(' ')}`,
        /"url":"https:\/\/127\.0\.0\.1:(\d+)"/,
      );
      // The shipped jobs, of which one shard is down, and the shipped rules, which do not wait as long here.
      directory.write(
        'rules.yaml',
        read('examples/alerts/rules.yaml').replaceAll(/for: \d+[mh]/g, 'for: 1s'),
      );
      const jobs = read('examples/prometheus/prometheus.yml')
        .replace('scrape_interval: 30s', 'scrape_interval: 300ms\n  evaluation_interval: 300ms')
        .replaceAll(/localhost:644[35]/g, `localhost:${filter.found}`)
        .replaceAll('localhost:6444', down);
      const configFile = directory.write('prometheus.yml', `${jobs}\nrule_files: [rules.yaml]\n`);
      prometheus = await RunningPrometheus.start(configFile, directory.path);
      const url = `https://localhost:${filter.found}`;
      const token = "-H 'Authorization: Bearer nobodys'";
      expect(await statusOf(`${token} ${url}/metrics`, credentials)).toBe(401);
      expect(await statusOf(`${url}/clusters/root/metrics`, credentials, 'mallory')).toBe(501);
      expect(await statusOf(`${url}/metrics`, credentials, 'mallory')).toBe(403);
    });

    /** What Grafana replaces `$job` with where all are chosen. */
    let jobs: readonly string[] = [];
    it('finds every job that has a target', async () => {
      const found = async (): Promise<readonly string[]> => {
        const series = (await prometheus?.query('kcp_metrics_filter_scrapes_total')) ?? [];
        return [...new Set(series.map(({ metric }) => metric['job'] ?? ''))].sort();
      };
      const shipped = ['', '-by-token', '-cache-server'].map((suffix) => `kcp-metrics-filter${suffix}`);
      await expect.poll(found, soon).toEqual(shipped);
      jobs = shipped;
    });

    it('says of the target that is down that it is, of no other, and that no job is missing', async () => {
      const firing = async (): Promise<readonly string[]> => {
        const alerts = (await prometheus?.query('ALERTS{alertstate="firing"}')) ?? [];
        return alerts
          .map(({ metric: { alertname = '', job = '', instance = '' } }) => `${alertname} ${job} ${instance}`)
          .sort();
      };
      const expected = ['', '-by-token'].map(
        (suffix) => `KcpMetricsFilterDown kcp-metrics-filter${suffix} ${down}`,
      );
      await expect.poll(firing, soon).toEqual(expected);
      const up = async (): Promise<number> =>
        (await prometheus?.query('count_over_time(up[1h]) > 10'))?.length ?? 0;
      await expect.poll(up, soon).toBe(5);
      expect(await firing()).toEqual(expected);
      // A rule that cannot be evaluated fires for nobody.
      expect(await prometheus?.query('prometheus_rule_evaluation_failures_total > 0')).toEqual([]);
    });

    const ask = async (expression: string): Promise<number> => {
      const here = expression
        .replaceAll('$__rate_interval', '1m')
        .replaceAll('$job', jobs.join('|'))
        .replaceAll('$instance', '.*');
      return (await prometheus?.query(here))?.length ?? 0;
    };

    it.each(queries)('answers %s', async (name, expression) => {
      expect(expression).toContain('{job=~"$job", instance=~"$instance"');
      expect(await ask(expression)).toBeGreaterThanOrEqual(0);
      if (withData.has(name)) {
        await expect.poll(() => ask(expression), soon).toBeGreaterThan(0);
      }
    });

    it('would notice a query that cannot be parsed', async () => {
      await expect(ask('sum by (rate(up))')).rejects.toThrow(/parse error/);
    });

    it.each(templating.list.flatMap(({ definition }) => definition ?? []))(
      'finds values for %s',
      async (definition) => {
        const metric = /^label_values\((.*), \w+\)$/.exec(definition)?.[1] ?? '';
        await expect.poll(() => ask(metric), soon).toBeGreaterThan(0);
      },
    );
  },
);
