import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/**
 * The tarball unpacked where npm would put it, with what its manifest names beside it and nothing else:
 * linked from here, since tests download nothing.
 */
describe('the packed package, installed in an empty folder', () => {
  const folder = temporaryDirectory();
  let files: readonly string[];
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const installed = (): string => join(folder.path, 'node_modules', 'kcp-metrics-filter');

  beforeAll(() => {
    const packed = execFileSync(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder.path],
      { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [{ filename, files: listed }] = JSON.parse(packed) as [
      { filename: string; files: { path: string }[] },
    ];
    files = listed.map(({ path }) => path);
    mkdirSync(installed(), { recursive: true });
    execFileSync('tar', ['-xzf', join(folder.path, filename), '--strip-components=1', '-C', installed()]);
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      const place = join(folder.path, 'node_modules', name);
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), place);
    }
    folder.write('package.json', '{"type":"module"}');
    cpSync(join(root, 'test/packaging/consumer.mjs'), join(folder.path, 'consumer.mjs'));
  });

  it('holds what it needs and what its README names, and nothing of the tests', () => {
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'rbac/bootstrap-policy.yaml',
      'README.md',
      'LICENSE',
    ]) {
      expect(files).toContain(file);
    }
    expect(
      files.filter(
        (file) => !/^(?:dist|rbac|docs|examples)\/|^[A-Z]+\.md$|^LICENSE$|^package\.json$/.test(file),
      ),
    ).toEqual([]);
    const links = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
    const named = links.map(([, path = '']) => path.replace(/^\.\//, '').replace(/\/$/, ''));
    expect(named.length).toBeGreaterThan(3);
    expect(
      named.filter((path) => !files.some((file) => file === path || file.startsWith(`${path}/`))),
    ).toEqual([]);
  });

  it('holds every type that an exported one needs, and no document for contributors', () => {
    const seen = new Set<string>();
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, target = ''] of readFileSync(join(installed(), file), 'utf8').matchAll(
        /(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g,
      )) {
        follow(join(dirname(file), `${target}.d.ts`));
      }
    };
    follow('dist/index.d.ts');
    follow('dist/server-exports.d.ts');
    expect(seen.size).toBeGreaterThan(50);
    expect(
      files.filter((file) => /^(?:ARCHITECTURE|CONTRIBUTING)\.md$|^dist\/cli\/.*\.d\.ts$/.test(file)),
    ).toEqual([]);
  });

  it('serves an application as a library', () => {
    expect(execFileSync(process.execPath, ['consumer.mjs'], { cwd: folder.path, encoding: 'utf8' })).toBe(
      'consumer ok\n',
    );
  });

  const runtimes = [
    ['Bun', process.env['BUN_BIN'], []],
    ['Deno', process.env['DENO_BIN'], ['run', '-A', '--no-prompt']],
  ] as const;
  for (const [name, bin, flags] of runtimes) {
    it.skipIf(bin === undefined)(`serves an application on ${name} (${name.toUpperCase()}_BIN)`, () => {
      const run = execFileSync(bin ?? '', [...flags, 'consumer.mjs'], { cwd: folder.path, encoding: 'utf8' });
      expect(run).toBe('consumer ok\n');
    });
  }

  it('has a bin that runs', () => {
    const bin = join(installed(), manifest.bin['kcp-metrics-filter'] ?? '');
    const run = (...args: string[]): string =>
      execFileSync(bin, args, { cwd: folder.path, encoding: 'utf8' });
    expect(run('--version')).toBe(`${manifest.version}\n`);
    expect(run('can-i', 'get', '/metrics', '--user=x', '--group=system:monitoring')).toMatch(/^yes - RBAC/);
  });

  describe('with the recipes of the README, pasted', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const recipes = readme.slice(readme.indexOf('## Mount it'), readme.indexOf('## Grant it'));
    const blocks = [...recipes.matchAll(/^```(sh|console)\n(.*?)^```$/gms)];
    /** What a test cannot paste, with the reason. */
    const notRun = [
      [/^npm init/, 'downloads: the folder has been installed'],
      [/in-cluster/, 'needs a pod'],
    ] as const;
    const starts = /\n(?:node \S+\.js|npx kcp-metrics-filter start (?:.*\\\n)*.*)\n$/;

    it('gives the answers that it states', { timeout: 60_000 }, async () => {
      mkdirSync(join(folder.path, 'node_modules/.bin'));
      symlinkSync(
        join(installed(), manifest.bin['kcp-metrics-filter'] ?? ''),
        join(folder.path, 'node_modules/.bin/kcp-metrics-filter'),
      );
      const ports = new Map([
        ['8080', await freePort()],
        ['8443', await freePort()],
      ]);
      const here = (text: string): string =>
        text
          .replaceAll(/(?<=[:,( ]|'|localhost:|127\.0\.0\.1:)(8080|8443)\b/g, (port) =>
            String(ports.get(port)),
          )
          .replaceAll(/^npx (?=kcp-metrics-filter)/gm, 'node_modules/.bin/');
      const shell = (script: string): string =>
        execFileSync('bash', ['-ec', here(script)], {
          cwd: folder.path,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      let running: Started | undefined;
      const answers: string[] = [];
      try {
        for (const [, language, text = ''] of blocks) {
          if (notRun.some(([pattern]) => pattern.test(text))) continue;
          if (language === 'sh') {
            const server = starts.exec(`\n${text}`)?.[0] ?? '';
            shell(text.slice(0, text.length - server.trimStart().length));
            if (server === '') continue;
            await running?.stop();
            running = await startIn(folder.path, here(server.trim()));
          } else {
            for (const step of text.split(/^\$ /m).slice(1)) {
              const [command = '', ...output] = step.split('\n');
              expect(shell(`${command} || true`).trimEnd(), command).toBe(output.join('\n').trimEnd());
              answers.push(command);
            }
          }
        }
      } finally {
        expect(await running?.stop()).not.toBeUndefined();
      }
      expect(answers.length).toBeGreaterThan(12);
    });
  });
});

interface Started {
  /** Resolves when the process has ended. */
  readonly stop: () => Promise<number | NodeJS.Signals | null>;
}

/** Starts a server, and waits until it says that it listens. */
async function startIn(cwd: string, command: string): Promise<Started> {
  const child = spawn('bash', ['-c', `exec ${command}`], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (data: Buffer): void => {
      said += data.toString();
      if (said.includes('listening')) resolve();
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('close', () => {
      reject(new Error(`${command} did not start: ${said}`));
    });
  });
  return {
    stop: async () => {
      child.kill('SIGTERM');
      const [code, signal] = await ended;
      return code ?? signal;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
