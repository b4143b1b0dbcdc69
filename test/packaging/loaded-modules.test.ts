import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = new URL('../../dist/', import.meta.url).href;

/** What a process has loaded: packages by name, and files of dist. */
interface Loaded {
  readonly packages: readonly string[];
  readonly files: readonly string[];
}

/** Runs node to its end. */
function loadedBy(...args: readonly string[]): Loaded {
  const { path } = temporaryDirectory();
  execFileSync(process.execPath, args, { cwd: root, env: { ...process.env, NODE_V8_COVERAGE: path } });
  return loadedIn(path);
}

/** Coverage names every script that was evaluated, whoever asked for it. */
function loadedIn(coverage: string): Loaded {
  const urls = readdirSync(coverage).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as {
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

  it('by start, until it listens: its chunks and few others, and a parser of CSV in one file', async () => {
    const directory = temporaryDirectory();
    const rbac = temporaryDirectory();
    rbac.write('prometheus.yaml', readFileSync(join(root, 'rbac/prometheus-user.yaml'), 'utf8'));
    const authority = await createAuthority({ commonName: 'serving-ca' });
    const pair = await authority.issue({
      commonName: 'localhost',
      usage: 'serverAuth',
      dnsNames: ['localhost'],
    });
    const args = [
      ...['start', '--mode=shard', '--bind-address=127.0.0.1', '--secure-port=0'],
      `--tls-cert-file=${directory.write('tls.crt', pair.certificatePem)}`,
      `--tls-private-key-file=${directory.write('tls.key', pair.privateKeyPem)}`,
      `--token-auth-file=${directory.write('tokens.csv', 'token-of-prometheus,prometheus,1\n')}`,
      `--rbac-dir=${rbac.path}`,
    ];
    const coverage = temporaryDirectory().path;
    const env = { ...process.env, NODE_V8_COVERAGE: coverage };
    const child = spawn(process.execPath, [main, ...args], { cwd: root, env });
    let log = '';
    for await (const data of child.stderr) {
      log += String(data);
      if (log.includes('"msg":"listening"')) child.kill();
    }
    if (child.exitCode === null) await once(child, 'exit');
    expect([log, child.exitCode]).toEqual([expect.stringContaining('"msg":"listening"'), 0]);
    const { packages, files } = loadedIn(coverage);
    expect(packages.filter((name) => heavy.includes(name))).toEqual(['pino', 'yaml']);
    expect(packages).toContain('csv-parse');
    expect(files.length).toBeLessThan(16);
  });

  it('by an application that imports the package: what it brings itself, and little more', () => {
    const { packages, files } = loadedBy('--input-type=module', '--eval', "await import('./dist/index.js')");
    expect(files).toEqual(['index.js', 'library.js', 'rolldown-runtime.js', 'shared.js']);
    expect(packages).toContain('prom-client');
    expect(packages.filter((name) => heavy.includes(name))).toEqual([]);
  });
});
