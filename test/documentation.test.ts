import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { optionsIn } from '../src/options/option.js';
import { startOptions, startTopics } from '../src/options/start-topics.js';
import { loadedCommands as commands } from './support/command-line.js';
import { flagRows, tableHead } from './documentation/flag-table.mjs';

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

describe('the README and the pages of docs/', () => {
  it('name no flag that is not there', () => {
    const known = new Set<string>([
      ...commands.flatMap(({ topics }) => optionsIn(topics).map(({ name }) => name)),
      // Of other command lines, and of every command.
      '--help',
      '--bump-revision',
      '--mark-compacted',
      '--config.file',
      '--storage.tsdb.path',
    ]);
    const named = ['README.md', ...pages].flatMap((file) =>
      [...read(file).matchAll(/(?<![\w-])--[a-z][\w.-]*[a-z](?![\w.-]*\*|\w)/g)].map(([flag]) => flag),
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
