import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = new URL('../../dist/', import.meta.url).href;

/** What a process has loaded: packages by name, and files of dist. */
interface Loaded {
  readonly packages: readonly string[];
  readonly files: readonly string[];
}

/** Runs node to its end. Its coverage names every script that was evaluated, whoever asked for it. */
function loadedBy(...args: readonly string[]): Loaded {
  const directory = temporaryDirectory();
  const env = { ...process.env, NODE_V8_COVERAGE: directory.path };
  execFileSync(process.execPath, args, { cwd: root, env });
  const urls = readdirSync(directory.path).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(directory.path, file), 'utf8')) as {
      readonly result: readonly { readonly url: string }[];
    };
    return result.map(({ url }) => url);
  });
  const packages = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  const files = urls.filter((url) => url.startsWith(dist)).map((url) => url.slice(dist.length));
  return { packages: [...new Set(packages)].sort(), files: files.sort() };
}

/** Each is loaded with the first thing that needs it. */
const heavy = [
  '@kubernetes/client-node',
  '@peculiar/x509',
  'express',
  'jose',
  'micromatch',
  'pino',
  'reflect-metadata',
  'yaml',
];

const main = 'dist/cli/main.js';

describe('what is loaded', () => {
  it.each([['--version'], ['--help']])('by %s: commander, and no command', (flag) => {
    const { packages, files } = loadedBy(main, flag);
    expect(packages).toEqual(['commander']);
    expect(files).toEqual(['cli/main.js', 'command-rolldown-runtime.js', 'command.js']);
  });

  it('by a command: neither the server nor what another command needs', () => {
    const { packages, files } = loadedBy(
      main,
      'can-i',
      'get',
      '/metrics',
      '--user=x',
      '--group=system:monitoring',
    );
    expect(packages.filter((name) => heavy.includes(name))).toEqual([]);
    expect(files.filter((file) => /start|doctor|demo|who|exposition|replicate/.test(file))).toEqual([]);
    expect(files.length).toBeLessThan(10);
  });

  it('by an application that imports the package: what it brings itself, and little more', () => {
    const { packages, files } = loadedBy('--input-type=module', '--eval', "await import('./dist/index.js')");
    expect(files).toEqual(['index.js', 'library.js', 'rolldown-runtime.js', 'shared.js']);
    expect(packages).toContain('prom-client');
    expect(packages.filter((name) => heavy.includes(name))).toEqual([]);
  });
});
