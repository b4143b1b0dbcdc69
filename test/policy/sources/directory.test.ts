import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import {
  directoryPolicySource,
  type DirectoryPolicySourceOptions,
} from '../../../src/policy/sources/directory.js';
import type { ReloadResult } from '../../../src/files/followed-files.js';
import type { PolicySource } from '../../../src/policy/policy-source.js';
import type { PolicyObject } from '../../../src/policy/objects.js';
import { Policy, type PolicySink } from '../../../src/policy/policy.js';

const role = (name: string): string =>
  `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: ${name}}\n`;
const broken = 'kind: [\n';

/** What a source told its sink, one call after the other, to be awaited. */
class RecordingSink implements PolicySink {
  readonly #calls: (readonly string[] | string)[] = [];
  readonly #waiting: ((call: readonly string[] | string) => void)[] = [];

  replace(objects: readonly PolicyObject[]): void {
    this.#record(objects.map(({ name }) => name));
  }

  *replaceAll(objects: readonly PolicyObject[]): Generator<undefined, void, undefined> {
    this.replace(objects);
  }

  replaceKind(): never {
    throw new Error('a directory is read whole');
  }

  apply(): void {
    this.#record('apply');
  }

  markSynced(): void {
    this.#record('synced');
  }

  restore(): void {
    this.#record('restore');
  }

  markStale(reason: string): void {
    this.#record(`stale: ${reason}`);
  }

  /** The next call nobody has taken yet: the names it gave, or why the policy is stale. */
  next(): Promise<readonly string[] | string> {
    const call = this.#calls.shift();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get untaken(): number {
    return this.#calls.length;
  }

  #record(call: readonly string[] | string): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#calls.push(call);
    else waiting(call);
  }
}

let root: string;
let directory: string;
let sources: PolicySource[];
let sink: RecordingSink;
let warnings: string[];
let reloads: ReloadResult[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'policy-'));
  directory = join(root, 'rbac');
  await mkdir(directory);
  sources = [];
  sink = new RecordingSink();
  warnings = [];
  reloads = [];
});

afterEach(async () => {
  await Promise.all(sources.map((source) => source.close()));
  await rm(root, { recursive: true, force: true });
});

function follow(options: Partial<DirectoryPolicySourceOptions> = {}): PolicySource {
  const source = directoryPolicySource({
    directory,
    settleMs: 10,
    onWarning: (message) => warnings.push(message),
    onReload: (result) => reloads.push(result),
    ...options,
  });
  sources.push(source);
  return source;
}

async function write(name: string, text: string, to = directory): Promise<void> {
  // Written aside and renamed, so that no half of it can be read.
  await writeFile(join(root, 'written'), text);
  await rename(join(root, 'written'), join(to, name));
}

describe('at the start', () => {
  it('the manifests are read in the order of their names', async () => {
    await write('b.yaml', role('b'));
    await write('a.yml', `${role('a')}---\n${role('aa')}`);
    await write('c.json', JSON.stringify({ kind: 'List', items: [] }));
    await follow().start(sink);
    expect(await sink.next()).toEqual(['a', 'aa', 'b']);
    expect(warnings).toEqual([]);
    expect(reloads).toEqual([]);
  });

  it('what is hidden, lies deeper or is no manifest is left out', async () => {
    await write('a.yaml', role('a'));
    await write('.hidden.yaml', broken);
    await write('notes.txt', broken);
    await write('a.yaml.bak', broken);
    await symlink('nowhere', join(directory, '.#a.yaml'));
    await mkdir(join(directory, 'deeper.yaml'));
    await write('b.yaml', broken, join(directory, 'deeper.yaml'));
    await follow().start(sink);
    expect(await sink.next()).toEqual(['a']);
  });

  it('an empty directory is a policy without objects, and a warning', async () => {
    await follow().start(sink);
    expect(await sink.next()).toEqual([]);
    expect(warnings).toEqual([`${directory}: holds no ClusterRole and no ClusterRoleBinding`]);
  });

  it('the warnings of a manifest are passed on', async () => {
    await write('a.yaml', `${role('a')}---\nkind: Role\n`);
    await follow().start(sink);
    expect(warnings).toEqual([
      `${join(directory, 'a.yaml')}:5: a Role is skipped, because what is namespaced never grants a path`,
    ]);
  });

  it.each<[string, message: string, () => Promise<unknown>]>([
    [
      'a broken manifest',
      '{a}:7: metadata.name must be a string, not a number',
      () => write('a.yaml', `${role('a')}---\n${role('5')}`),
    ],
    [
      'a name in two files',
      '{}/b.yaml:1: ClusterRole "same" is already defined at {a}:2',
      async () => {
        await write('a.yaml', `# first\n${role('same')}`);
        await write('b.yaml', role('same'));
      },
    ],
    ['a missing directory', '{}: does not exist', () => rm(directory, { recursive: true })],
    [
      'a file in the place of the directory',
      '{}: is not a directory',
      async () => {
        await rm(directory, { recursive: true });
        await writeFile(directory, role('a'));
      },
    ],
    ['a link that leads nowhere', '{a}: does not exist', () => symlink('nowhere', join(directory, 'a.yaml'))],
    [
      'a link that leads to itself',
      "{a}: cannot be read: ELOOP: too many symbolic links encountered, stat '{a}'",
      () => symlink('a.yaml', join(directory, 'a.yaml')),
    ],
    [
      'a file that is not UTF-8',
      '{a}:1: is not UTF-8',
      () => writeFile(join(directory, 'a.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff])),
    ],
    [
      'a file that is too large',
      '{a}: larger than 64 MiB',
      async () => {
        await write('a.yaml', '');
        await truncate(join(directory, 'a.yaml'), 64 * 1024 * 1024 + 1);
      },
    ],
  ])('%s is an error that names it', async (_, message, prepare) => {
    await prepare();
    await expect(follow().start(sink)).rejects.toMatchObject({
      name: 'ManifestError',
      code: 'ERR_MANIFEST',
      message: message.replaceAll('{a}', join(directory, 'a.yaml')).replace('{}', directory),
    });
    expect(sink.untaken).toBe(0);
  });

  it('a source is started once', async () => {
    const source = follow();
    await source.start(sink);
    await expect(source.start(sink)).rejects.toThrow('a policy source is started once');
  });
});

/** Followed by events only, or by polling only: each alone must do. */
describe.each([
  ['events', { pollMs: 1_000_000 }],
  ['polling', { pollMs: 10, settleMs: 1_000_000 }],
])('followed by %s,', (_, options) => {
  beforeEach(async () => {
    await write('a.yaml', role('a'));
    await follow(options).start(sink);
    expect(await sink.next()).toEqual(['a']);
  });

  it('a file that is added, replaced, written to and removed changes the policy', async () => {
    await write('b.yaml', role('b'));
    expect(await sink.next()).toEqual(['a', 'b']);
    await write('b.yaml', role('c'));
    expect(await sink.next()).toEqual(['a', 'c']);
    await writeFile(join(directory, 'b.yaml'), `${role('c')}---\n${role('d')}`, { flag: 'r+' });
    expect(await sink.next()).toEqual(['a', 'c', 'd']);
    await rm(join(directory, 'b.yaml'));
    expect(await sink.next()).toEqual(['a']);
    await Promise.all(sources.map((source) => source.close()));
    expect(reloads).toEqual(Array(4).fill({ result: 'success' }));
  });

  it('a broken file leaves the last policy, is told once, and ends when it is mended', async () => {
    const file = join(directory, 'b.yaml');
    const message = `${file}:1: metadata.name is missing`;
    await write('b.yaml', 'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n');
    expect(await sink.next()).toBe(`stale: ${message}`);
    // Each round is one more reading that ends in the same failure; the warning shows that it took place.
    for (let round = 1; round <= 3; round += 1) {
      await write('aa.yaml', `${'#\n'.repeat(round)}kind: Role\n`);
      await expect.poll(() => warnings, { interval: 5, timeout: 10_000 }).toHaveLength(round);
    }
    await write('c.yaml', role('c'));
    await utimes(file, 1, 1);
    await write('a.yaml', broken);
    expect(await sink.next()).toMatch(`stale: ${join(directory, 'a.yaml')}:`);
    await write('a.yaml', role('a'));
    expect(await sink.next()).toBe(`stale: ${message}`);
    await write('b.yaml', role('b'));
    expect(await sink.next()).toEqual(['a', 'b', 'c']);
    await Promise.all(sources.map((source) => source.close()));
    expect(reloads.map(({ result }) => result)).toEqual(['failure', 'failure', 'failure', 'success']);
    expect(reloads[0]).toEqual({ result: 'failure', message });
  });

  it('taking a broken file back puts the source in step again', async () => {
    await write('b.yaml', broken);
    expect(await sink.next()).toMatch('stale: ');
    await rm(join(directory, 'b.yaml'));
    expect(await sink.next()).toEqual(['a']);
  });

  it('a directory that is removed leaves the last policy, and one made anew is followed', async () => {
    await rm(directory, { recursive: true });
    // While it goes, it may be found empty before it is found missing.
    let call = await sink.next();
    if (call.length === 0) call = await sink.next();
    expect(call).toBe(`stale: ${directory}: does not exist`);
    const anew = join(root, 'anew');
    await mkdir(anew);
    await write('b.yaml', role('b'), anew);
    await rename(anew, directory);
    expect(await sink.next()).toEqual(['b']);
    await write('c.yaml', role('c'));
    expect(await sink.next()).toEqual(['b', 'c']);
  });

  it('a directory that another takes the place of is followed there', async () => {
    const other = join(root, 'other');
    await mkdir(other);
    await write('z.yaml', role('z'), other);
    await symlink('other', join(root, 'link'));
    await rm(directory, { recursive: true });
    await rename(join(root, 'link'), directory);
    let call = await sink.next();
    while (typeof call === 'string' || call.length === 0) call = await sink.next();
    expect(call).toEqual(['z']);
    await write('y.yaml', role('y'), other);
    expect(await sink.next()).toEqual(['y', 'z']);
  });
});

/** As kubelet's AtomicWriter does it: a new directory with a time in its name, and one rename of a link to it. */
async function project(stamp: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(directory, stamp));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, stamp, name), text);
  }
  await symlink(stamp, join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  for (const name of Object.keys(files)) {
    const link = join(directory, name);
    if (!existsSync(link)) await symlink(join('..data', name), link);
  }
}

describe.each([
  ['events', { pollMs: 1_000_000, settleMs: 50 }],
  ['polling', { pollMs: 10, settleMs: 1_000_000 }],
])('a ConfigMap followed by %s', (_, options) => {
  it('is read anew when its data are swapped, one whole version after the other', async () => {
    await project('..2026_08_01_10_00_00.1', { 'a.yaml': role('a-1'), 'b.yaml': role('b-1') });
    await follow(options).start(sink);
    expect(await sink.next()).toEqual(['a-1', 'b-1']);
    await project('..2026_08_01_10_01_00.2', { 'a.yaml': role('a-2'), 'b.yaml': role('b-2') });
    await rm(join(directory, '..2026_08_01_10_00_00.1'), { recursive: true });
    expect(await sink.next()).toEqual(['a-2', 'b-2']);
    await project('..2026_08_01_10_02_00.3', { 'a.yaml': role('a-3'), 'b.yaml': broken });
    expect(await sink.next()).toMatch(`stale: ${join(directory, 'b.yaml')}:`);
    await project('..2026_08_01_10_03_00.4', { 'a.yaml': role('a-4'), 'b.yaml': role('b-4') });
    expect(await sink.next()).toEqual(['a-4', 'b-4']);
  });

  it('never gives half of one version and half of another', async () => {
    const names = Array.from({ length: 10 }, (_, at) => `f${at}.yaml`);
    const version = (number: number): Record<string, string> =>
      Object.fromEntries(names.map((name, at) => [name, role(`v${number}-${at}`)]));
    await project('..0', version(0));
    await follow({ ...options, settleMs: Math.min(options.settleMs, 1) }).start(sink);
    const versions = 40;
    for (let number = 1; number <= versions; number += 1) {
      await project(`..${number}`, version(number));
      await rm(join(directory, `..${number - 1}`), { recursive: true });
    }
    for (;;) {
      const call = await sink.next();
      if (typeof call === 'string') continue;
      const found = new Set(call.map((name) => name.split('-')[0]));
      expect(found.size).toBe(1);
      expect(call).toHaveLength(names.length);
      if (found.has(`v${versions}`)) break;
    }
  });
});

describe('callbacks that throw', () => {
  it.each([
    ['events', { pollMs: 1_000_000 }],
    ['polling', { pollMs: 10, settleMs: 1_000_000 }],
  ])('are reported, and the directory is followed on by %s', async (_, options) => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown): void => void rejections.push(reason);
    process.on('unhandledRejection', onRejection);
    let calls = 0;
    const failing = (): never => {
      calls += 1;
      throw new Error('not my day');
    };
    // Empty, which is a warning already.
    await follow({ ...options, onReload: failing, onWarning: failing }).start(sink);
    expect(await sink.next()).toEqual([]);
    await write('a.yaml', `${role('a')}---\nkind: Role\n`);
    expect(await sink.next()).toEqual(['a']);
    await write('b.yaml', broken);
    expect(await sink.next()).toMatch('stale: ');
    await write('b.yaml', role('b'));
    expect(await sink.next()).toEqual(['a', 'b']);
    await Promise.all(sources.map((source) => source.close()));
    process.off('unhandledRejection', onRejection);
    expect(calls).toBe(5);
    expect(new Set(emitWarning.mock.calls.flat())).toEqual(
      new Set(['a listener of policy source directory failed with Error']),
    );
    expect(rejections).toEqual([]);
    emitWarning.mockRestore();
  });

  it('do not end the following when they are the sink', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined);
    await write('a.yaml', role('a'));
    await follow().start(sink);
    expect(await sink.next()).toEqual(['a']);
    const markStale = vi.spyOn(sink, 'markStale').mockImplementation(() => {
      throw new Error('not my day');
    });
    await write('b.yaml', broken);
    await expect.poll(() => emitWarning).toHaveBeenCalledOnce();
    expect(markStale).toHaveBeenCalledOnce();
    await write('b.yaml', role('b'));
    expect(await sink.next()).toEqual(['a', 'b']);
    emitWarning.mockRestore();
  });
});

describe('closing', () => {
  it('ends the following, however often it is done', async () => {
    const source = follow({ pollMs: 5 });
    await source.start(sink);
    await sink.next();
    await source.close();
    await source.close();
    await write('a.yaml', role('a'));
    // Another source sees the change; the closed one had the same chance.
    const other = new RecordingSink();
    const second = follow({ pollMs: 5 });
    await second.start(other);
    expect(await other.next()).toEqual(['a']);
    await write('b.yaml', role('b'));
    expect(await other.next()).toEqual(['a', 'b']);
    expect(sink.untaken).toBe(0);
  });

  it('while the first reading is under way keeps it from the sink', async () => {
    await write('a.yaml', role('a'));
    const source = follow();
    const started = source.start(sink);
    await source.close();
    await started;
    expect(sink.untaken).toBe(0);
  });

  it('may come before the start, which is refused then', async () => {
    const source = follow();
    await source.close();
    await expect(source.start(sink)).rejects.toThrow('a policy source is started once');
  });
});

/** CPU time that this thread has taken (ms), which what else the machine does leaves alone. */
function threadCpuMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
}

/** The longest time that the event loop does nothing else while something goes on (ms of CPU). */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let [longest, isOver] = [0, false];
  const watching = (async () => {
    for (let last = threadCpuMs(); !isOver;) {
      await pause(1);
      const now = threadCpuMs();
      [longest, last] = [Math.max(longest, now - last), now];
    }
  })();
  await work();
  isOver = true;
  await watching;
  return longest;
}

const scraper = (at: number): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: `scraper-${at}`, creationTimestamp: '2026-03-01T10:11:12Z', resourceVersion: `${at}` },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: `user-${at}` }],
});
const listOf = (items: readonly object[]): object => ({
  apiVersion: 'v1',
  items,
  kind: 'List',
  metadata: {},
});

describe('a large manifest', () => {
  it('leaves the event loop to others while it is read', async () => {
    await write('a.yaml', Array.from({ length: 3000 }, (_, at) => role(`r-${at}`)).join('---\n'));
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 1);
    await follow().start(sink);
    clearInterval(counting);
    expect(await sink.next()).toHaveLength(3000);
    expect(turns).toBeGreaterThan(5);
  });

  const bindings = Array.from({ length: 1200 }, (_, at) => scraper(at));
  it.each([
    ['one List in YAML', 'a.yaml', stringify(listOf(bindings)), 1200],
    ['one List in JSON', 'a.json', JSON.stringify(listOf(bindings), null, 4), 1200],
    [
      'one binding of many subjects',
      'a.yaml',
      stringify({ ...scraper(0), subjects: bindings.map((_, at) => ({ kind: 'User', name: `user-${at}` })) }),
      1,
    ],
    [
      'another large object',
      'a.yaml',
      `apiVersion: v1\nkind: ConfigMap\ndata:\n  text: |\n${'    some text\n'.repeat(100_000)}`,
      0,
    ],
  ])('%s blocks nobody at the start, and nobody when it is read again', async (_, name, text, count) => {
    await write(name, text);
    const policy = new Policy({ layers: ['directory'] });
    const source = follow({ settleMs: 1, pollMs: 10 });
    const started = await longestBlock(() => source.start(policy.sink('directory')));
    const reloaded = await longestBlock(async () => {
      await write(name, `${text}\n`);
      await expect.poll(() => reloads, { interval: 20, timeout: 60_000 }).toEqual([{ result: 'success' }]);
    });
    expect(policy.status()[0]).toMatchObject({ clusterRoleBindings: count });
    // The whole of any of them takes many times as long.
    expect(Math.max(started, reloaded)).toBeLessThan(100);
  });

  it('that is broken is refused with file and line, and a good one is read after it', async () => {
    const padding = `# ${'x'.repeat(10_000)}\n`;
    await write('a.yaml', `${padding}${role('a')}`);
    await follow({ settleMs: 1, pollMs: 10 }).start(sink);
    expect(await sink.next()).toEqual(['a']);
    await write('a.yaml', `${padding}${role('a')}---\n${role('5')}`);
    expect(await sink.next()).toBe(
      `stale: ${join(directory, 'a.yaml')}:8: metadata.name must be a string, not a number`,
    );
    await write('a.yaml', `${padding}${role('b')}`);
    expect(await sink.next()).toEqual(['b']);
  });
});
