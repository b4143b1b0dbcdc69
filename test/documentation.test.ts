import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startFlags } from '../src/cli/start.js';

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const readme = read('README.md');
/** Prettier aligns a table's columns. */
const rowsOf = (text: string): readonly string[] =>
  text.split('\n').map((line) => line.replace(/ +/g, ' ').trim());

describe('the README', () => {
  it.each(startFlags)('has $name with its default and meaning', ({ name, default: preset, description }) => {
    const shown = preset === undefined ? '' : preset === '' ? 'empty' : `\`${preset}\``;
    const row = `| \`${name}\` | ${shown} | ${description.replaceAll('*', '\\*')} |`.replace(/ +/g, ' ');
    expect(rowsOf(readme)).toContain(row);
  });

  it('names no flag that is not there', () => {
    const known = new Set<string>([
      ...startFlags.map(({ name }) => name),
      '--mode',
      '--user',
      '--check',
      '--once',
      '--dry-run',
      '--bump-revision',
      '--mark-compacted',
      '--config.file',
    ]);
    const named = [...readme.matchAll(/(?<![\w-])--[a-z][\w.-]*[a-z]/g)].map(([flag]) => flag);
    expect(named.length).toBeGreaterThan(startFlags.length);
    expect(named.filter((flag) => !known.has(flag) && flag !== '--storage.tsdb.path')).toEqual([]);
  });

  it('has a line for every difference from kcp that the recorded paths hold', () => {
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
  it.each(['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'package.json'])(
    '%s',
    (file) => {
      expect(read(file)).not.toMatch(/\/work\/|\/home\/\w|artifact/);
    },
  );
});
