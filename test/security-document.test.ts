import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { authorization } from '../src/options/authorization-options.js';
import { startOptions } from '../src/options/start-topics.js';

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const security = read('SECURITY.md');
const contributing = read('CONTRIBUTING.md');
const manifest = JSON.parse(read('package.json')) as {
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
};

describe('SECURITY.md', () => {
  it('names no flag that is not there', () => {
    const known = new Set<string>(startOptions.map(({ name }) => name));
    const named = [...security.matchAll(/(?<![\w-])--[a-z][a-z-]*[a-z]/g)].map(([flag]) => flag);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((flag) => !known.has(flag))).toEqual([]);
  });

  it('says which paths nobody is asked about, as the flags do', () => {
    const { authorizationAlwaysAllowPaths: paths } = authorization.read({});
    expect(paths).not.toEqual([]);
    for (const path of paths) expect(security).toContain(`\`${path}\``);
  });

  it('says how to report, to no person and no address', () => {
    expect(security).toMatch(/^## Reporting$/m);
    expect(security).not.toMatch(/@[\w-]+\.|https?:|mailto:/);
  });

  it('is part of the package', () => {
    expect(manifest.files).toContain('SECURITY.md');
  });
});

describe('CONTRIBUTING.md', () => {
  it('names no script and no file that is not there', () => {
    const scripts = [...contributing.matchAll(/npm run ([\w:]+)/g)].map(([, script = '']) => script);
    expect(scripts.length).toBeGreaterThan(5);
    expect(scripts.filter((script) => manifest.scripts[script] === undefined)).toEqual([]);
    const files = [...contributing.matchAll(/`((?:src|test)\/[\w/.-]+\.(?:ts|mjs|mod))`/g)].map(
      ([, file = '']) => file,
    );
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expect(read(file)).not.toBe('');
  });
});
