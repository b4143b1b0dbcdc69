import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readSnapshot, writeSnapshot } from '../../../src/policy/snapshot/snapshot-file.js';
import { accessFault, checkSnapshotPlace } from '../../../src/policy/snapshot/snapshot-place.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { reader } from './snapshot-policies.js';

const layers = [{ layer: 'root', origin: 'https://root', syncedAt: 1, objects: [reader] }];
const isRoot = process.geteuid?.() === 0;

let directory: TemporaryDirectory;
let file: string;
beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'policy.snapshot');
});

const refusal = (fault: string): unknown =>
  expect.objectContaining({
    name: 'SnapshotError',
    code: 'ERR_POLICY_SNAPSHOT',
    message: `${file}: ${fault}`,
  });

const open = (mode: string): string => `is open to its group or to others (mode ${mode}): make it 0600`;

describe('whether a snapshot is believed depends on who can write it:', () => {
  it.each<[string, number, number, number | undefined, string | undefined]>([
    ['ours and closed', 1000, 0o100600, 1000, undefined],
    ['ours and read-only', 1000, 0o100400, 1000, undefined],
    ["root's and closed", 0, 0o100600, 1000, undefined],
    ["another's", 1001, 0o100600, 1000, 'belongs to user 1001, who is neither user 1000 nor root'],
    [
      "another's while we are root",
      1000,
      0o100600,
      0,
      'belongs to user 1000, who is neither user 0 nor root',
    ],
    ['ours and open to the group', 1000, 0o100640, 1000, open('0640')],
    ['ours and open to others', 1000, 0o100602, 1000, open('0602')],
    ['ours and open to others alone', 1000, 0o100004, 1000, open('0004')],
    ["root's and open to others", 0, 0o100644, 1000, open('0644')],
    ['on a system whose users have no numbers', 0, 0o100666, undefined, undefined],
  ])('one that is %s', (_, uid, mode, ourUid, fault) => {
    expect(accessFault({ uid, mode }, ourUid)).toBe(fault);
  });

  it.each(['0640', '0604', '0620', '0602', '0610', '0601'])(
    'one on disk with mode %s is refused, until it is written anew',
    async (mode) => {
      await writeSnapshot(file, layers);
      await chmod(file, mode);
      await expect(readSnapshot(file)).rejects.toEqual(refusal(open(mode)));
      await writeSnapshot(file, layers);
      expect(await readSnapshot(file)).toEqual(layers);
    },
  );

  it.skipIf(!isRoot)("one on disk that is another user's is refused", async () => {
    await writeSnapshot(file, layers);
    await chown(file, 12_345, 12_345);
    await expect(readSnapshot(file)).rejects.toEqual(
      refusal('belongs to user 12345, who is neither user 0 nor root'),
    );
  });
});

/** What may stand in the place of a snapshot and is none, and what is said of it. */
const occupants: readonly [string, string, () => Promise<unknown>][] = [
  ['a directory', 'is not a regular file', () => mkdir(file)],
  ['a pipe', 'is not a regular file', () => Promise.resolve(execFileSync('mkfifo', ['-m', '600', file]))],
  [
    'a link to a snapshot',
    'is a symbolic link',
    async () => {
      await writeSnapshot(`${file}.real`, layers);
      await symlink(`${file}.real`, file);
    },
  ],
  ['a link that leads nowhere', 'is a symbolic link', () => symlink('nowhere', file)],
];

describe('in the place of a snapshot', () => {
  it.each(occupants)('%s is not read, is not replaced, and ends the start', async (_, fault, prepare) => {
    await prepare();
    const before = await readdir(directory.path);
    await expect(readSnapshot(file)).rejects.toEqual(refusal(fault));
    await expect(checkSnapshotPlace(file)).rejects.toEqual(refusal(fault));
    await expect(writeSnapshot(file, layers)).rejects.toEqual(refusal('is not a regular file'));
    expect(await readdir(directory.path)).toEqual(before);
  });

  it('so it is with a socket', async () => {
    const server = createServer().listen(file);
    await once(server, 'listening');
    await expect(readSnapshot(file)).rejects.toEqual(refusal('is not a regular file'));
    await expect(checkSnapshotPlace(file)).rejects.toEqual(refusal('is not a regular file'));
    await expect(writeSnapshot(file, layers)).rejects.toEqual(refusal('is not a regular file'));
    server.close();
    await once(server, 'close');
  });
});

describe('at the start', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['no file', () => Promise.resolve()],
    ['an empty file', () => writeFile(file, '')],
    ['a snapshot', () => writeSnapshot(file, layers)],
    [
      'a snapshot that is not to be believed',
      () => writeFile(file, '{"apiVersion":"kcp-metrics-filter/', { mode: 0o644 }),
    ],
  ])('%s is good enough, and left as it is', async (_, prepare) => {
    await prepare();
    const before = await readdir(directory.path);
    const text = await readFile(file).catch(() => undefined);
    await checkSnapshotPlace(file);
    expect(await readdir(directory.path)).toEqual(before);
    expect(await readFile(file).catch(() => undefined)).toEqual(text);
  });

  it.each<[string, string, () => Promise<unknown>]>([
    ['a missing directory', 'its directory does not exist', () => rm(directory.path, { recursive: true })],
    [
      'a file for a directory',
      'cannot be read: ENOTDIR (not a directory)',
      async () => {
        await writeFile(file, '');
        file = join(file, 'policy.snapshot');
      },
    ],
    [
      'a file that is something else',
      'holds something else than a policy snapshot, which would be lost',
      () => writeFile(file, '-----BEGIN PRIVATE KEY-----\n'),
    ],
    ['an empty name', 'is not a regular file', () => Promise.resolve((file = ''))],
  ])('%s is a fault that names it', async (_, fault, prepare) => {
    await prepare();
    await expect(checkSnapshotPlace(file)).rejects.toEqual(refusal(fault));
  });

  it.skipIf(isRoot)('a directory that may not be written to is a fault that names the file', async () => {
    await chmod(directory.path, 0o500);
    await expect(checkSnapshotPlace(file)).rejects.toEqual(
      refusal('cannot be written: EACCES (permission denied)'),
    );
    await chmod(directory.path, 0o700);
  });

  it('what a killed writer left is taken away', async () => {
    const left = directory.write('.policy.snapshot.0123456789abcdef.tmp', 'left');
    execFileSync('touch', ['-d', '@1', left]);
    await checkSnapshotPlace(file);
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('the name may end in a slash', async () => {
    await checkSnapshotPlace(`${file}/`);
    await writeSnapshot(`${file}/`, layers);
    await checkSnapshotPlace(`${file}/`);
    expect(await readSnapshot(`${file}/`)).toEqual(layers);
  });
});
