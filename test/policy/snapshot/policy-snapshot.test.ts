import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  PolicySnapshot,
  type PolicySnapshotOptions,
  type SnapshotResult,
} from '../../../src/policy/snapshot/policy-snapshot.js';
import { readSnapshot, writeSnapshot } from '../../../src/policy/snapshot/snapshot-file.js';
import type { PolicyObject } from '../../../src/policy/objects.js';
import { WorkspaceIndex } from '../../../src/policy/index/workspace-index.js';
import { Policy, type PolicyLayerStatus } from '../../../src/policy/policy.js';
import { runAll } from '../../../src/time-slice.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { bindingOf, manyBindings, policyObjects, reader } from './snapshot-policies.js';

const origins = new Map([
  ['root', 'https://root:6443/clusters/root'],
  ['cache', 'https://cache:6443/services/cache'],
]);
const annReads: readonly PolicyObject[] = [reader, bindingOf('ann')];

/** What snapshots told, one result after the other, to be awaited. */
class Results {
  readonly #results: SnapshotResult[] = [];
  readonly #waiting: ((result: SnapshotResult) => void)[] = [];

  readonly add = (result: SnapshotResult): void => {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#results.push(result);
    else waiting(result);
  };

  next(): Promise<SnapshotResult> {
    const result = this.#results.shift();
    if (result !== undefined) return Promise.resolve(result);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  untaken(): readonly SnapshotResult[] {
    return this.#results.splice(0);
  }
}

let directory: TemporaryDirectory;
let file: string;
/** Of policies and snapshots; the timers' clock is apart. */
let now: number;
let results: Results;
let snapshots: PolicySnapshot[];

beforeEach(() => {
  // The disk is real, and so is its time.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  directory = temporaryDirectory();
  file = join(directory.path, 'policy.snapshot');
  now = 1_700_000_000_000;
  results = new Results();
  snapshots = [];
});

afterEach(async () => {
  await Promise.all(snapshots.map((snapshot) => snapshot.close()));
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

interface Process {
  readonly policy: Policy;
  readonly snapshot: PolicySnapshot;
}

/** What a process has of it, from its start on. */
function start({
  maxStalenessMs = Infinity,
  ...options
}: Partial<PolicySnapshotOptions> & { readonly maxStalenessMs?: number } = {}): Process {
  const policy: Policy = new Policy({
    layers: ['root', 'cache', 'bootstrap'],
    fallbacks: new Map([['root', 'cache']]),
    maxStalenessMs,
    now: () => now,
    onChange: () => {
      snapshot.changed();
    },
  });
  const snapshot: PolicySnapshot = new PolicySnapshot({
    file,
    policy,
    origins,
    onResult: results.add,
    now: () => now,
    ...options,
  });
  snapshots.push(snapshot);
  policy.sink('bootstrap').replace([]);
  return { policy, snapshot };
}

function statusOf({ policy }: Process, layer: string): PolicyLayerStatus | undefined {
  return policy.status().find((status) => status.layer === layer);
}

function mayScrape({ policy }: Process, user: string): boolean | string {
  return policy.unavailable() ?? policy.find([{ name: user, groups: [] }], 'get', '/metrics') !== undefined;
}

/** A process that has restored what there was, and has told so. */
async function started(options?: Parameters<typeof start>[0]): Promise<Process> {
  const process = start(options);
  await process.snapshot.restore();
  results.untaken();
  return process;
}

/** Leaves a snapshot of a process that knew this at this time. */
async function leave(
  objects: readonly PolicyObject[],
  { layer = 'root', syncedAt = now } = {},
): Promise<void> {
  const origin = origins.get(layer) ?? '';
  await writeSnapshot(file, [{ layer, origin, syncedAt, objects }]);
}

/** What is told of restoring, or of not restoring, these layers. */
const restoring = (
  result: 'success' | 'refused' | 'missing',
  message: string,
  ...layers: readonly string[]
): SnapshotResult => ({ operation: 'restore', result, message: `${file}: ${message}`, layers });

describe('a process that is started anew', () => {
  it('decides as the one before did, whatever the policy was', async () => {
    const users = ['ann', 'bob', 'system:serviceaccount:team:ann', ''];
    const question = fc.record({
      name: fc.constantFrom(...users),
      groups: fc.subarray(['team', 'ann', '']),
      verb: fc.constantFrom('get', 'list', ''),
      path: fc.constantFrom('/metrics', '/metrics/slis', '/', ''),
    });
    const rules = fc.array(
      fc.record({
        verbs: fc.subarray(['get', 'list', '*', ''], { minLength: 1 }),
        nonResourceURLs: fc.subarray(['/metrics', '/m*', '/*', '*', ''], { minLength: 1 }),
      }),
      { maxLength: 2 },
    );
    const bindings = fc.subarray<PolicyObject>([
      ...users.map(bindingOf),
      { ...bindingOf('group'), subjects: [{ kind: 'Group', name: 'team' }] },
      { ...bindingOf('account'), subjects: [{ kind: 'ServiceAccount', name: 'ann', namespace: 'team' }] },
    ]);
    const answers = { granted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        policyObjects,
        bindings,
        rules,
        fc.array(question, { minLength: 5, maxLength: 10 }),
        async (objects, readers, readerRules, questions) => {
          const known = new Set(['reader', ...readers.map(({ name }) => name)]);
          const others = objects.filter(({ name }) => !known.has(name));
          const before = await started();
          before.policy.sink('root').replace([...others, ...readers, { ...reader, rules: readerRules }]);
          await before.snapshot.close();
          const after = await started();
          expect(statusOf(after, 'root')?.state).toBe('stale');
          for (const { name, groups, verb, path } of questions) {
            const [was, is] = [before, after].map(
              ({ policy }) => policy.find([{ name, groups }], verb, path) !== undefined,
            );
            expect(is).toBe(was);
            answers[was === true ? 'granted' : 'refused'] += 1;
          }
          await after.snapshot.close();
          await rm(file);
          results.untaken();
        },
      ),
      { numRuns: 150 },
    );
    expect(answers.granted).toBeGreaterThan(50);
    expect(answers.refused).toBeGreaterThan(50);
  });

  it('serves at once, and says since when its policy is stale', async () => {
    await leave(annReads, { syncedAt: now - 5000 });
    const after = start();
    expect(mayScrape(after, 'ann')).toBe('policy layer "root" is not loaded yet');
    expect(await after.snapshot.restore()).toEqual(['root']);
    expect(mayScrape(after, 'ann')).toBe(true);
    expect(mayScrape(after, 'eve')).toBe(false);
    expect(statusOf(after, 'root')).toMatchObject({
      state: 'stale',
      reason: 'restored from the snapshot of 2023-11-14T22:13:15.000Z',
      syncedAt: now - 5000,
      ageMs: 5000,
    });
    expect(results.untaken()).toEqual([
      restoring('success', 'restored policy layer "root" as of 2023-11-14T22:13:15.000Z', 'root'),
    ]);
  });

  it('fails closed when the policy is too old, counted over the restart', async () => {
    await leave(annReads, { syncedAt: now - 9000 });
    const after = await started({ maxStalenessMs: 10_000 });
    now += 1000;
    expect(mayScrape(after, 'ann')).toBe(true);
    now += 1;
    expect(mayScrape(after, 'ann')).toBe('policy layer "root" is stale for too long');
    after.policy.sink('root').replace(annReads);
    expect(mayScrape(after, 'ann')).toBe(true);
  });

  it('counts on over any number of restarts', async () => {
    await leave(annReads);
    for (let restart = 1; restart <= 3; restart += 1) {
      now += 3000;
      const after = await started({ maxStalenessMs: 8000 });
      // The other source is back each time, so that the file is written.
      after.policy.sink('cache').replace([]);
      expect(statusOf(after, 'root')?.ageMs).toBe(restart * 3000);
      expect(after.policy.unavailable() === undefined).toBe(true);
      await after.snapshot.close();
    }
    const layers = await readSnapshot(file);
    expect(layers?.map(({ layer, syncedAt }) => [layer, now - syncedAt])).toEqual([
      ['root', 9000],
      ['cache', 0],
    ]);
    expect(layers?.[0]?.objects).toEqual(annReads);
  });

  it('has nothing where there is no snapshot, and says so', async () => {
    const after = start();
    expect(await after.snapshot.restore()).toEqual([]);
    expect(results.untaken()).toEqual([restoring('missing', 'does not exist yet')]);
    expect(after.policy.unavailable()).toBe('policy layer "root" is not loaded yet');
  });

  it('has nothing of a damaged snapshot, and says so', async () => {
    await leave(annReads);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"ann"', '"eve"'));
    const after = start();
    expect(await after.snapshot.restore()).toEqual([]);
    expect(results.untaken()).toEqual([restoring('refused', 'is damaged: its checksum is another')]);
    expect(after.policy.unavailable()).toBe('policy layer "root" is not loaded yet');
    expect(after.policy.objects('root')).toEqual([]);
  });

  it('has nothing from another source than its own, and says so', async () => {
    await writeSnapshot(file, [
      { layer: 'root', origin: 'https://elsewhere', syncedAt: now, objects: annReads },
      { layer: 'cache', origin: origins.get('cache') ?? '', syncedAt: now, objects: [reader] },
      { layer: 'bootstrap', origin: '', syncedAt: now, objects: annReads },
    ]);
    const after = start();
    expect(await after.snapshot.restore()).toEqual(['cache']);
    expect(results.untaken()).toEqual([
      restoring(
        'refused',
        'policy layer "root" is not restored: it is from "https://elsewhere", not from "https://root:6443/clusters/root"',
        'root',
      ),
      restoring('refused', 'policy layer "bootstrap" is not restored: it has no source here', 'bootstrap'),
      restoring('success', 'restored policy layer "cache" as of 2023-11-14T22:13:20.000Z', 'cache'),
    ]);
    expect(after.policy.status().map(({ state, clusterRoles }) => [state, clusterRoles])).toEqual([
      ['syncing', 0],
      ['stale', 1],
      ['synced', 0],
    ]);
  });

  it('leaves a layer alone whose source was faster', async () => {
    await leave(annReads);
    const after = start();
    const restored = after.snapshot.restore();
    after.policy.sink('root').replace([reader, bindingOf('bob')]);
    expect(await restored).toEqual([]);
    expect([mayScrape(after, 'ann'), mayScrape(after, 'bob')]).toEqual([false, true]);
  });

  it('takes a time that is a little ahead for its own', async () => {
    await leave(annReads, { syncedAt: now + 59_000 });
    const after = await started({ maxStalenessMs: 1000 });
    now += 1001;
    expect(after.policy.unavailable()).toBe('policy layer "root" is stale for too long');
  });

  it('does not write what it has just read', async () => {
    await leave(annReads);
    const after = await started();
    vi.advanceTimersByTime(10_000_000);
    await after.snapshot.close();
    expect(results.untaken()).toEqual([]);
  });

  it('reads nothing into a policy once it is closed', async () => {
    await leave(annReads);
    const { policy, snapshot } = start();
    let restored: readonly string[] | undefined;
    void snapshot.restore().then((layers) => (restored = layers));
    await snapshot.close();
    expect(restored).toEqual([]);
    expect(policy.objects('root')).toEqual([]);
  });
});

/** The next write, with all that follows it. */
async function written(): Promise<SnapshotResult> {
  const result = await results.next();
  expect(result.operation).toBe('write');
  await setImmediate();
  return result;
}

async function writtenLayers(): Promise<readonly (readonly [string, number])[]> {
  expect(await written()).toMatchObject({ result: 'success' });
  return ((await readSnapshot(file)) ?? []).map(({ layer, syncedAt }) => [layer, syncedAt]);
}

describe('a snapshot is written', () => {
  it('a second after a change, with all that is known', async () => {
    const { policy } = await started();
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(999);
    expect(vi.getTimerCount()).toBe(1);
    now += 999;
    policy.sink('root').apply({ type: 'set', object: bindingOf('bob') });
    vi.advanceTimersByTime(1);
    expect(await written()).toEqual({ operation: 'write', result: 'success', layers: ['root'] });
    expect(await readSnapshot(file)).toEqual([
      { layer: 'root', origin: origins.get('root'), syncedAt: now, objects: [...annReads, bindingOf('bob')] },
    ]);
  });

  it('once a second while changes come by the thousand', async () => {
    const { policy } = await started();
    policy.sink('root').replace(annReads);
    for (let second = 1; second <= 5; second += 1) {
      for (let change = 0; change < 1000; change += 1) {
        policy.sink('root').apply({ type: 'set', object: bindingOf(`user-${second}-${change % 10}`) });
        vi.advanceTimersByTime(1);
      }
      await written();
    }
    expect(results.untaken()).toEqual([]);
    expect(await readSnapshot(file)).toMatchObject([{ objects: policy.objects('root') }]);
  });

  it('by one writer at a time', async () => {
    const { policy } = await started();
    policy.sink('root').replace(manyBindings(2000));
    vi.advanceTimersByTime(1000);
    for (let change = 0; change < 100; change += 1) {
      policy.sink('root').apply({ type: 'set', object: bindingOf(`user-${change}`) });
      vi.advanceTimersByTime(100_000);
      expect(vi.getTimerCount()).toBe(0);
    }
    await written();
    expect((await readSnapshot(file))?.[0]?.objects).toHaveLength(2000);
    vi.advanceTimersByTime(1000);
    await written();
    expect((await readSnapshot(file))?.[0]?.objects).toHaveLength(2100);
    expect(results.untaken()).toEqual([]);
  });

  it('of many workspaces in slices, each workspace as it was at one moment, and none while they are replaced', async () => {
    const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', true);
    const policy = new Policy({ layers: ['bootstrap'], workspaces, now: () => now });
    const sink = policy.sink('workspaces');
    const at = (cluster: string, version: string): readonly PolicyObject[] => [
      { kind: 'LogicalCluster', name: 'cluster', cluster, path: `root:${version}`, isReady: true },
      { ...bindingOf(version), cluster },
    ];
    const clusters = Array.from({ length: 5_000 }, (_, number) => `c${number}`);
    sink.replace(clusters.flatMap((cluster) => at(cluster, 'old')));
    const options = {
      file,
      policy,
      origins: new Map([['workspaces', 'https://root']]),
      onResult: results.add,
    };
    const snapshot = new PolicySnapshot({ ...options, now: () => now });
    snapshots.push(snapshot);
    await snapshot.restore();
    results.untaken();
    vi.advanceTimersByTime(1000);
    // In the next turn the first slice is over: the newest workspace is copied, the oldest is not yet.
    await setImmediate();
    for (const cluster of [...clusters.slice(0, 1), ...clusters.slice(-1)]) {
      sink.apply({ type: 'delete', kind: 'ClusterRoleBinding', name: bindingOf('old').name, cluster });
      for (const object of at(cluster, 'new')) sink.apply({ type: 'set', object });
    }
    await written();
    const [layer] = (await readSnapshot(file)) ?? [];
    const found = (cluster: string | undefined): unknown =>
      layer?.objects.filter((object) => object.cluster === cluster);
    expect(layer?.objects).toHaveLength(10_000);
    expect(found(clusters[0])).toEqual(at('c0', 'new'));
    expect(found(clusters.at(-1))).toEqual(at('c4999', 'old'));
    const before = await readFile(file, 'utf8');
    snapshot.changed();
    vi.advanceTimersByTime(10_000);
    await setImmediate();
    const replacement = sink.replaceKind('ClusterRoleBinding', []);
    for (let step = 0; step < 3; step += 1) replacement.next();
    await snapshot.close();
    expect(await readFile(file, 'utf8')).toBe(before);
    runAll(replacement);
  });

  it('less often where writing takes long', async () => {
    const { policy } = await started({
      onResult: (result) => {
        if (result.operation === 'write') now += 500;
        results.add(result);
      },
    });
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(1000);
    await written();
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(4499);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1);
    await written();
  });

  it('every minute although nothing changed, while a source is in step', async () => {
    const { policy } = await started();
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(1000);
    expect(await writtenLayers()).toEqual([['root', now]]);
    now += 60_000;
    vi.advanceTimersByTime(60_000);
    expect(await writtenLayers()).toEqual([['root', now]]);
    const lostAt = now;
    policy.sink('root').markStale('gone');
    now += 1000;
    vi.advanceTimersByTime(1000);
    expect(await writtenLayers()).toEqual([['root', lostAt]]);
    vi.advanceTimersByTime(1_000_000);
    expect(results.untaken()).toEqual([]);
  });

  it('every ten minutes where it is large', async () => {
    const { policy } = await started();
    policy.sink('root').replace(manyBindings(10_001));
    vi.advanceTimersByTime(1000);
    await written();
    for (let minute = 1; minute < 10; minute += 1) {
      vi.advanceTimersByTime(60_000);
      // Nothing is being written: the next round is waited for.
      expect(vi.getTimerCount()).toBe(1);
    }
    vi.advanceTimersByTime(60_000);
    await written();
    policy.sink('root').apply({ type: 'set', object: reader });
    vi.advanceTimersByTime(1000);
    await written();
  });

  it('not before the one before was read', async () => {
    await leave(annReads);
    const { policy, snapshot } = start();
    policy.sink('cache').replace([reader]);
    vi.advanceTimersByTime(100_000);
    await snapshot.restore();
    results.untaken();
    vi.advanceTimersByTime(1000);
    expect(await writtenLayers()).toEqual([
      ['root', now],
      ['cache', now],
    ]);
  });

  it('not while there is nothing to be said', async () => {
    const { policy, snapshot } = await started();
    policy.sink('bootstrap').replace(annReads);
    policy.sink('root').markStale('cannot be reached');
    vi.advanceTimersByTime(1_000_000);
    await snapshot.close();
    expect(results.untaken()).toEqual([]);
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('without a layer that is not loaded, and with one that is still stale', async () => {
    await leave(annReads, { syncedAt: now - 5000 });
    const { policy } = await started();
    policy.sink('root').markStale('cannot be reached');
    policy.sink('cache').replace([reader]);
    vi.advanceTimersByTime(1000);
    expect(await writtenLayers()).toEqual([
      ['root', now - 5000],
      ['cache', now],
    ]);
    const other = await started({ origins: new Map([...origins, ['root', 'https://elsewhere']]) });
    other.policy.sink('cache').replace([reader]);
    vi.advanceTimersByTime(1000);
    expect(await writtenLayers()).toEqual([['cache', now]]);
  });

  it('as of now where the clock was set back', async () => {
    const { policy } = await started();
    policy.sink('root').replace(annReads);
    policy.sink('root').markStale('gone');
    now -= 1_000_000;
    vi.advanceTimersByTime(1000);
    await written();
    expect((await readSnapshot(file, () => now))?.[0]?.syncedAt).toBe(now);
  });
});

describe('at the end', () => {
  it('what is not written is written, and no more after that', async () => {
    const { policy, snapshot } = await started();
    policy.sink('root').replace(annReads);
    await snapshot.close();
    expect(await readSnapshot(file)).toMatchObject([{ objects: annReads }]);
    policy.sink('root').replace([]);
    vi.advanceTimersByTime(1_000_000);
    await snapshot.close();
    expect(results.untaken()).toHaveLength(1);
    expect(await readSnapshot(file)).toMatchObject([{ objects: annReads }]);
  });

  it('the time is brought up to date', async () => {
    const { policy, snapshot } = await started();
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(1000);
    await written();
    now += 30_000;
    await snapshot.close();
    expect(await writtenLayers()).toEqual([['root', now]]);
  });

  it('a write that is under way is waited for', async () => {
    const { policy, snapshot } = await started();
    policy.sink('root').replace(manyBindings(2000));
    policy.sink('root').markStale('gone');
    vi.advanceTimersByTime(1000);
    await Promise.all([snapshot.close(), snapshot.close()]);
    expect(results.untaken()).toHaveLength(1);
    expect((await readSnapshot(file))?.[0]?.objects).toHaveLength(2000);
  });

  it('nothing is written that was never started', async () => {
    const { policy, snapshot } = start();
    policy.sink('root').replace(annReads);
    await snapshot.close();
    expect(await readdir(directory.path)).toEqual([]);
  });
});

describe('a write that fails', () => {
  const missing = (): SnapshotResult => ({
    operation: 'write',
    result: 'failure',
    message: `${file}: its directory does not exist`,
    layers: ['root'],
  });

  it('is told once, and tried again at the next change and from time to time', async () => {
    const { policy, snapshot } = await started();
    await rm(directory.path, { recursive: true });
    policy.sink('root').replace(annReads);
    vi.advanceTimersByTime(1000);
    expect(await written()).toEqual(missing());
    // The source is lost, so that nothing but the failure is a reason to write.
    policy.sink('root').markStale('gone');
    vi.advanceTimersByTime(1000);
    await vi.waitUntil(() => vi.getTimerCount() === 1);
    expect(results.untaken()).toEqual([]);
    await writeFile(directory.path, '');
    vi.advanceTimersByTime(60_000);
    expect(await written()).toMatchObject({
      message: `${file}: cannot be written: ENOTDIR (not a directory)`,
    });
    await rm(directory.path);
    await mkdir(directory.path);
    vi.advanceTimersByTime(60_000);
    expect(await written()).toMatchObject({ result: 'success' });
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
    vi.advanceTimersByTime(1_000_000);
    expect(results.untaken()).toEqual([]);
    await rm(directory.path, { recursive: true });
    policy.sink('root').replace(annReads);
    await snapshot.close();
    expect(results.untaken()).toEqual([missing()]);
  });

  it('does not throw, nor does whoever is told', async () => {
    const warnings: string[] = [];
    const collect = (warning: Error): void => {
      warnings.push(warning.message);
    };
    process.on('warning', collect);
    await mkdir(file);
    const { policy, snapshot } = start({
      onResult: () => {
        throw new Error('not now');
      },
    });
    expect(await snapshot.restore()).toEqual([]);
    policy.sink('root').replace(annReads);
    await snapshot.close();
    await setImmediate();
    process.off('warning', collect);
    expect(new Set(warnings)).toEqual(new Set([`a listener of policy snapshot ${file} failed with Error`]));
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
  });
});

describe('its timers', () => {
  it('keep no process alive', async () => {
    vi.useRealTimers();
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const { snapshot } = start();
    const before = timers();
    await snapshot.restore();
    expect(timers()).toBe(before);
    snapshot.changed();
    expect(timers()).toBe(before);
    await snapshot.close();
    vi.useFakeTimers();
  });
});

describe('what it is made for', () => {
  it('has to be a place where it can be kept', async () => {
    const { policy } = start();
    await mkdir(file);
    await expect(PolicySnapshot.open({ file, policy, origins })).rejects.toMatchObject({
      code: 'ERR_POLICY_SNAPSHOT',
      message: `${file}: is not a regular file`,
    });
    await rm(file, { recursive: true });
    snapshots.push(await PolicySnapshot.open({ file, policy, origins }));
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('has to be layers that the policy has', () => {
    const policy = new Policy({ layers: ['root'] });
    expect(() => new PolicySnapshot({ file, policy, origins })).toThrow('no policy layer "cache"');
  });
});
