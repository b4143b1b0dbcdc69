import { execFile, spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

/** Makes the third server's listen fail. */
const noThirdPort = `
import net from 'node:net';
const { listen } = net.Server.prototype;
let calls = 0;
net.Server.prototype.listen = function (...args) {
  calls += 1;
  if (calls < 3) return listen.apply(this, args);
  process.nextTick(() => this.emit('error', Object.assign(new Error('no port is left'), { syscall: 'listen' })));
  return this;
};`;

/** Sends every request somewhere else. */
const otherPath = `
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
const { request } = https;
https.request = (options, onResponse) => request({ ...options, path: '/readyz' }, onResponse);
syncBuiltinESMExports();`;

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

const reasons = [
  'allowed by ClusterRoleBinding "metrics-reader:user:prometheus"',
  'to Group "monitoring"',
  'always allowed path',
  'always allowed to group "system:masters"',
  'forbidden: User "mallory" cannot get path "/metrics": access denied',
  'User "system:anonymous" cannot get',
  'only system:masters is allowed',
  'Unauthorized; client-certificate: certificate is not signed by a known authority',
  'Unauthorized; token-file: unknown token',
  'ClusterRoleBinding "metrics-reader:user:bob"',
  'lacks the annotation internal.kcp.io/replicate',
  'allowed by ClusterRoleBinding "workspace-admin" of ClusterRole "cluster-admin" to User "bob"',
  'shard-level endpoint not available at workspace scope',
  'shard-level endpoint not available at shard or workspace scope',
];

let temporary: TemporaryDirectory;
const demos: Demo[] = [];
beforeEach(() => {
  temporary = temporaryDirectory();
});
afterEach(() => {
  // A test that failed midway leaves its demo running.
  for (const demo of demos.splice(0)) demo.signal('SIGKILL');
});

class Demo {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<unknown[]>;

  constructor(args: readonly string[], { preload = '', tmpdir = temporary.path } = {}) {
    const preloaded =
      preload === '' ? [] : ['--import', `data:text/javascript,${encodeURIComponent(preload)}`];
    this.#child = spawn(process.execPath, [...preloaded, bin, 'demo', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: tmpdir },
    });
    this.#exited = once(this.#child, 'close');
    demos.push(this);
    this.#child.stdout.on('data', (data: Buffer) => {
      this.stdout += data.toString();
    });
    this.#child.stderr.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#exited;
    return code ?? signal;
  }

  async printed(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      await Promise.race([
        once(this.#child.stdout, 'data'),
        this.#exited.then(() => Promise.reject(new Error(`ended without ${text}: ${this.stderr}`))),
      ]);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}

describe('demo --check', () => {
  it('prints what every request was answered, exits 0 and leaves nothing behind', async () => {
    const demo = new Demo(['--check']);
    expect(await demo.ended()).toBe(0);
    expect(demo.stderr).toBe('');
    const rows = demo.stdout.split('\n').filter((line) => /^[✓✗]/.test(line));
    expect(rows.map((row) => row.replaceAll(/ {2,}/g, ' | '))).toEqual([
      '✓ 200 | certificate CN=prometheus | /metrics | root shard',
      '✓ 200 | certificate CN=prometheus | /metrics | second shard',
      '✓ 200 | certificate CN=alice O=monitoring | /metrics | root shard',
      '✓ 200 | token of prometheus | /metrics | root shard',
      '✓ 200 | nobody: no credentials | /readyz | root shard',
      '✓ 200 | certificate CN=admin O=system:masters | /metrics | cache server',
      '✓ 403 | certificate CN=mallory | /metrics | root shard',
      '✓ 403 | nobody: no credentials | /metrics | root shard',
      '✓ 403 | certificate CN=prometheus | /metrics | cache server',
      '✓ 401 | certificate CN=prometheus, another CA | /metrics | root shard',
      '✓ 401 | unknown token | /metrics | root shard',
      '✓ 200 | certificate CN=bob | /metrics | root shard',
      '✓ 403 | certificate CN=bob | /metrics | second shard',
      '✓ 200 | certificate CN=alice O=monitoring | /clusters/root:shop/metrics | second shard',
      '✓ 403 | certificate CN=alice O=monitoring | /clusters/root:mail/metrics | second shard',
      '✓ 200 | certificate CN=bob | /clusters/root:mail/metrics | second shard',
      '✓ 403 | certificate CN=mallory | /clusters/root:mail/metrics | second shard',
      '✓ 403 | certificate CN=mallory | /clusters/root:none/metrics | second shard',
      '✓ 501 | certificate CN=prometheus | /clusters/root/metrics | root shard',
      '✓ 501 | certificate CN=admin O=system:masters | /clusters/root/metrics | root shard',
      '✓ 501 | certificate CN=admin O=system:masters | /shards/root/metrics | cache server',
    ]);
    expect(demo.stdout).toContain('All 21 requests were answered as expected.');
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it('gives the reason for each in 100 columns', async () => {
    const demo = new Demo(['--check']);
    await demo.ended();
    const text = demo.stdout.replaceAll(/\s+/g, ' ');
    for (const reason of reasons) expect(text).toContain(reason);
    expect(demo.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('marks an answer that differs and exits 1', async () => {
    const demo = new Demo(['--check'], { preload: otherPath });
    expect(await demo.ended()).toBe(1);
    expect(demo.stdout).toMatch(/^✗ 200 {2}certificate CN=mallory .*\n {7}expected 403$/m);
    expect(demo.stdout).toContain('12 of 21 requests were not answered as expected');
    expect(readdirSync(temporary.path)).toEqual([]);
  });
});

describe('demo', () => {
  it('stays up with commands that work, until Ctrl-C', async () => {
    const demo = new Demo([]);
    await demo.printed('Ctrl-C');
    const folder = /^ {2}cd (.+)$/m.exec(demo.stdout)?.[1] ?? '';
    const commands = [...demo.stdout.matchAll(/^ {2}# (.+)\n {2}(curl .+)$/gm)];
    const answered = await Promise.all(
      commands.map(async ([, what = '', command = '']) => {
        const statusOnly = command.replace('curl', `curl -s -o /dev/null -w '%{http_code}'`);
        return [what, (await run('sh', ['-c', statusOnly], { cwd: folder })).stdout];
      }),
    );
    expect(answered).toEqual([
      ['granted, by certificate', '200'],
      ['granted, by token', '200'],
      ['denied', '403'],
      ['rejected: workspace scope', '501'],
      ['granted by the cache server', '200'],
    ]);
    expect(commands.filter(([, , command = '']) => command.length > 98)).toEqual([]);
    demo.signal('SIGINT');
    expect(await demo.ended()).toBe(0);
    expect(demo.stderr).toBe('');
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it.skipIf(!hasPromtool)('writes a prometheus.yml that promtool accepts', async () => {
    const demo = new Demo([]);
    await demo.printed('Ctrl-C');
    const file = /^ {2}(.+prometheus\.yml)$/m.exec(demo.stdout)?.[1] ?? '';
    // Resolves the files that it names, too.
    const { stdout } = await run('promtool', ['check', 'config', file]);
    expect(stdout).toContain('is valid prometheus config file syntax');
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(0);
  });

  it('lets nobody else read its keys', async () => {
    const demo = new Demo([]);
    await demo.printed('Ctrl-C');
    const modes = readdirSync(temporary.path, { recursive: true, withFileTypes: true }).map((entry) => {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      return `${entry.isDirectory() ? 'folder' : 'file'} ${mode.toString(8)}`;
    });
    expect(new Set(modes)).toEqual(new Set(['folder 700', 'file 600']));
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'stops on %s, even twice, and cleans up',
    async (signal) => {
      const demo = new Demo([]);
      await demo.printed('Ctrl-C');
      // On Ctrl-C npm sends it a second time.
      demo.signal(signal);
      demo.signal(signal);
      expect(await demo.ended()).toBe(0);
      expect(readdirSync(temporary.path)).toEqual([]);
    },
  );

  it('stops in the middle of the table, too', async () => {
    const demo = new Demo([]);
    await demo.printed('root shard');
    demo.signal('SIGINT');
    expect(await demo.ended()).toBe(0);
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it('cleans up when a server cannot be started', async () => {
    const demo = new Demo([], { preload: noThirdPort });
    expect(await demo.ended()).toBe(2);
    expect(demo.stderr).toBe('--bind-address, --secure-port: no port is left\n');
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it('works in a folder whose name needs quoting', async () => {
    const demo = new Demo([], { tmpdir: mkdtempSync(join(temporary.path, "it's here ")) });
    await demo.printed('Ctrl-C');
    const lines = /^ {2}(cd .+)\n.*\n {2}curl (.+)$/m.exec(demo.stdout) ?? [];
    const { stdout } = await run('sh', ['-c', `${lines[1] ?? ''} && curl -s ${lines[2] ?? ''}`]);
    expect(stdout).toContain('# HELP');
    demo.signal('SIGINT');
    expect(await demo.ended()).toBe(0);
  });

  it('says which variable to mend when there is no temporary folder', async () => {
    const demo = new Demo([], { tmpdir: join(temporary.path, 'missing') });
    expect(await demo.ended()).toBe(2);
    expect(demo.stderr).toMatch(/^TMPDIR: ENOENT.*\n$/);
  });
});
