import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { foreignFlags } from '../src/cli/foreign-flags.js';
import { mergedExposition } from '../src/index.js';
import { optionsIn } from '../src/options/option.js';
import { startOptions, startTopics } from '../src/options/start-topics.js';
import { loadedCommands as commands } from './support/command-line.js';
import { flagRows, tableHead } from './documentation/flag-table.mjs';
import { withExports } from './documentation/library-page.mjs';
import { documentedMakers, metricsPage } from './documentation/metrics-page.mjs';
import { startCli } from './support/started-server.js';

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const readme = read('README.md');
const flagPage = read('docs/flags.md');
const pages = readdirSync(new URL('../docs/', import.meta.url)).map((file) => `docs/${file}`);
/** Prettier aligns a table's columns. */
const rowsOf = (text: string): readonly string[] =>
  text.split('\n').map((line) => line.replace(/ +/g, ' ').trim());

describe('docs/flags.md', () => {
  it.each(startTopics)('has the flags under "$heading" with their defaults and meanings', (topic) => {
    const rows = rowsOf(flagPage);
    for (const row of rowsOf(flagRows([topic]).join('\n'))) expect(rows).toContain(row);
  });

  it('has the table of flags as `npm run docs` writes it', () => {
    const place = flagPage.search(tableHead);
    const table = rowsOf(flagPage.slice(place, flagPage.indexOf('\n\n', place)));
    expect(table.slice(2)).toEqual(rowsOf(flagRows(startTopics).join('\n')));
  });
});

describe('docs/metrics.md', () => {
  const folder = new URL('../src/telemetry/', import.meta.url);
  const telemetry = async (): Promise<Record<string, unknown>> => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const modules = files.filter((file) => file.endsWith('.ts'));
    const loaded = await Promise.all(
      modules.map((file) => import(new URL(file, folder).href) as Promise<object>),
    );
    return Object.assign({}, ...loaded) as Record<string, unknown>;
  };

  it('is what `npm run docs` writes', async () => {
    expect(read('docs/metrics.md')).toBe(await metricsPage({ mergedExposition, ...(await telemetry()) }));
  });

  it('knows everything in src/telemetry that makes metrics', async () => {
    const makers = Object.keys(await telemetry()).filter((name) => /Metrics$|^register[A-Z]/.test(name));
    // Called by `apiserverMetrics`.
    expect(new Set([...makers, 'mergedExposition'])).toEqual(
      new Set([...documentedMakers, 'requestMetrics']),
    );
  });

  it('has every metric that a server with all of its parts shows', async () => {
    const named = new Set(read('docs/metrics.md').match(/(?<=^\| `)\w+/gm));
    const server = await startCli([
      '--mode=shard',
      '--ignore-paths=/metrics/*',
      '--upstream=http://127.0.0.1:9/metrics',
      '--component-slis',
      '--rbac-dir=rbac',
      '--audit-log-path=/dev/null',
    ]);
    const scrape = async (path: string): Promise<string> => {
      const request = get(`${server.url}${path}`, { rejectUnauthorized: false, agent: false });
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      return text(answer);
    };
    await scrape('/readyz');
    const shown = `${await scrape('/metrics/filter')}${await scrape('/metrics/slis')}`;
    await server.stop();
    const own = (shown.match(/(?<=^# TYPE )\w+/gm) ?? []).filter(
      (name) => !/^(?:process|nodejs)_/.test(name),
    );
    expect(own).toContain('kubernetes_healthcheck');
    expect(own.length).toBeGreaterThan(40);
    expect(own.filter((name) => !named.has(name))).toEqual([]);
  });
});

it('docs/library.md has every export as `npm run docs` writes it', { timeout: 60_000 }, () => {
  const page = read('docs/library.md');
  expect(page).toContain('| `openMetricsFilter` | Guards and serves `/metrics` of an application');
  expect(page).not.toMatch(/^\| `\w+` \| +\|$/m);
  expect(withExports(page)).toBe(page);
});

describe('the README and the pages of docs/', () => {
  it('name no flag that is not there', () => {
    const known = new Set<string>([
      ...commands.flatMap(({ topics }) => optionsIn(topics).map(({ name }) => name)),
      // Of other command lines, and of every command.
      '--help',
      '--cacert',
      '--cert',
      '--key',
      '--namespace',
      '--bump-revision',
      '--mark-compacted',
      '--config.file',
      '--storage.tsdb.path',
      // kube-rbac-proxy's, in the page about it.
      ...foreignFlags.keys(),
    ]);
    const named = ['README.md', ...pages].flatMap((file) =>
      [...read(file).matchAll(/(?<![\w-])--[a-z][\w.-]*[a-zA-Z](?![\w.-]*\*|\w)/g)].map(([flag]) => flag),
    );
    expect(named.length).toBeGreaterThan(startOptions.length);
    expect(named.filter((flag) => !known.has(flag))).toEqual([]);
  });

  it('have a line for every difference from kcp that the recorded paths hold', () => {
    const rows = JSON.parse(read('test/conformance/data/paths.json')) as {
      shard: { kcp?: number };
      cacheServer: { kcp?: number };
    }[];
    const differing = rows.filter(
      ({ shard, cacheServer }) => shard.kcp !== undefined || cacheServer.kcp !== undefined,
    );
    expect(differing.length).toBeGreaterThan(0);
    for (const line of [
      '/clusters/*/metrics',
      '/clusters//metrics',
      '/metrics/slis',
      '/clusters/root:unknown/metrics',
      'DELETE /metrics',
    ]) {
      expect(readme).toContain(line);
    }
  });
});

describe('the project speaks of itself alone', () => {
  it.each(['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'package.json', ...pages])(
    '%s',
    (file) => {
      expect(read(file)).not.toMatch(/\/work\/|\/home\/\w|artifact/);
    },
  );
});
