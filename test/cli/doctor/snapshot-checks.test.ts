import { chmodSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkSnapshot, type SnapshotUse } from '../../../src/cli/doctor/snapshot-checks.js';
import { writeSnapshot } from '../../../src/policy/snapshot/snapshot-file.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { saidIn } from './levels.js';
import { binding, role } from './policies.js';

const minute = 60_000;
const now = Date.now();
const origin = 'https://127.0.0.1:6443/clusters/root';
const objects = [role('reader', ['get', '/metrics']), binding('a', 'reader')];

let directory: TemporaryDirectory;
let use: SnapshotUse;
beforeEach(() => {
  directory = temporaryDirectory();
  const file = `${directory.path}/policy.snapshot`;
  use = {
    subject: `--policy-snapshot ${file}`,
    file,
    origins: new Map([['root', origin]]),
    maxStalenessMs: Infinity,
  };
});

describe('a policy snapshot', () => {
  it('need not be there yet', async () => {
    const { findings, usable } = await checkSnapshot(use, now);
    expect(saidIn(findings)).toEqual(['ok: can be written; does not exist yet']);
    expect([...usable]).toEqual([]);
  });

  it('tells what a restart would begin with', async () => {
    await writeSnapshot(use.file, [{ layer: 'root', origin, syncedAt: now - 90 * minute, objects }]);
    const { findings, usable } = await checkSnapshot(use, now);
    expect(saidIn(findings)).toEqual([
      `ok: 2 objects of ${origin} (root), in step 90 min ago, would be used after a restart until the server answers`,
    ]);
    expect([...usable]).toEqual(['root']);
  });

  it.each([
    [30_000, 'less than a minute'],
    [119 * minute, '119 min'],
    [47 * 60 * minute, '47 h'],
    [49 * 60 * minute, '2 days'],
  ])('that is %i ms old is from %s ago', async (ageMs, words) => {
    await writeSnapshot(use.file, [{ layer: 'root', origin, syncedAt: now - ageMs, objects }]);
    expect(saidIn((await checkSnapshot(use, now)).findings)[0]).toContain(`in step ${words} ago`);
  });

  const faults: readonly (readonly [what: string, change: Partial<SnapshotUse>, said: RegExp])[] = [
    [
      'too old',
      { maxStalenessMs: 60 * minute },
      /are older than --max-policy-staleness and would not be used$/,
    ],
    [
      'of another server',
      { origins: new Map([['root', 'https://other']]) },
      /because the kubeconfig is for https:\/\/other/,
    ],
    [
      'of a source that is gone',
      { origins: new Map([['cache', origin]]) },
      /because that source is not configured/,
    ],
    ['for no API server', { origins: new Map() }, /^warning: has no effect/],
  ];
  it.each(faults)('that is %s is of no use', async (_, change, said) => {
    await writeSnapshot(use.file, [{ layer: 'root', origin, syncedAt: now - 90 * minute, objects }]);
    const { findings, usable } = await checkSnapshot({ ...use, ...change }, now);
    expect(saidIn(findings)).toEqual([expect.stringMatching(said)]);
    expect(findings[0]?.level).toBe('warning');
    expect([...usable]).toEqual([]);
  });

  it('of a server that is not known may be of any', async () => {
    await writeSnapshot(use.file, [{ layer: 'root', origin, syncedAt: now, objects }]);
    const { usable } = await checkSnapshot({ ...use, origins: new Map([['root', undefined]]) }, now);
    expect([...usable]).toEqual(['root']);
  });

  it('that is damaged, or open to others, is left out by a restart', async () => {
    await writeSnapshot(use.file, [{ layer: 'root', origin, syncedAt: now, objects }]);
    chmodSync(use.file, 0o644);
    expect(saidIn((await checkSnapshot(use, now)).findings)).toEqual([
      'warning: is open to its group or to others (mode 0644): make it 0600; a restart ignores it',
    ]);
    directory.write('policy.snapshot', '{"apiVersion":"kcp-metrics-filter/v1alpha1"}\n');
    chmodSync(use.file, 0o600);
    expect(saidIn((await checkSnapshot(use, now)).findings)).toEqual([
      expect.stringMatching(/^warning: .*; a restart ignores it$/),
    ]);
  });

  it('that cannot be written is an error', async () => {
    const { findings } = await checkSnapshot(
      { ...use, file: `${directory.path}/missing/policy.snapshot` },
      now,
    );
    expect(saidIn(findings)).toEqual(['error: its directory does not exist']);
    const other = directory.write('other.txt', 'something of mine');
    expect(saidIn((await checkSnapshot({ ...use, file: other }, now)).findings)).toEqual([
      'error: holds something else than a policy snapshot, which would be lost',
    ]);
  });
});
