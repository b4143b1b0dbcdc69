import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { SnapshotError } from '../../../src/policy/policy-errors.js';
import { readSnapshot, writeSnapshot } from '../../../src/policy/snapshot/snapshot-file.js';
import type { SnapshotLayer } from '../../../src/policy/snapshot/snapshot-format.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { bindingOf, header, manyBindings, reader, sealed, snapshotLayers } from './snapshot-policies.js';
import { anyCharacter } from '../../support/any-character.js';

const small: readonly SnapshotLayer[] = [
  {
    layer: 'root',
    origin: 'https://root:6443',
    syncedAt: 1_700_000_000_000,
    objects: [reader, bindingOf('ann')],
  },
  { layer: 'cache', origin: 'https://cache:6443', syncedAt: 1_600_000_000_000, objects: [] },
];

let directory: TemporaryDirectory;
let file: string;
beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'policy.snapshot');
});

/** In the place of the snapshot, as closed to others as one has to be. */
async function place(content: string | Uint8Array): Promise<void> {
  await writeFile(file, content, { mode: 0o600 });
}

async function expectRefused(fault: string | RegExp, now?: number): Promise<void> {
  const reading = readSnapshot(file, now === undefined ? Date.now : () => now);
  const refusal: unknown = await reading.then(
    () => 'read',
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(SnapshotError);
  const { code, message } = refusal as SnapshotError;
  expect(code).toBe('ERR_POLICY_SNAPSHOT');
  expect(message.startsWith(`${file}: `)).toBe(true);
  expect(message.slice(file.length + 2)).toMatch(fault);
  expect(message).not.toMatch(/\p{Cc}/u);
}

describe('a snapshot', () => {
  it('gives back what was written, whatever the policy', async () => {
    await fc.assert(
      fc.asyncProperty(snapshotLayers, async (layers) => {
        await writeSnapshot(file, layers);
        expect(await readSnapshot(file)).toEqual(layers);
      }),
      { numRuns: 300 },
    );
  });

  it('is a line that says what is in it and a line for each object, under one checksum', async () => {
    await writeSnapshot(file, small);
    const layers = small.map((layer) => ({ ...layer, objects: layer.objects.length }));
    const lines = small.flatMap(({ objects }) => objects.map((object) => JSON.stringify(object)));
    expect(await readFile(file, 'utf8')).toBe(sealed(header(...layers), lines).toString());
    expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600');
  });

  it('holds of an object only what decides', async () => {
    const withMore = {
      ...bindingOf('ann'),
      resourceVersion: '1',
      subjects: [{ kind: 'User' as const, name: 'ann', apiGroup: 'rbac.authorization.k8s.io' }],
    };
    await writeSnapshot(file, [{ layer: 'root', origin: '', syncedAt: 0, objects: [withMore] }]);
    expect((await readSnapshot(file))?.[0]?.objects).toEqual([bindingOf('ann')]);
  });

  it('is undefined where there is none', async () => {
    expect(await readSnapshot(file)).toBeUndefined();
    expect(await readSnapshot(join(directory.path, 'nowhere', 'policy.snapshot'))).toBeUndefined();
  });

  it('is read and written in pieces that leave the event loop to others', async () => {
    const objects = manyBindings(20_000);
    const layers = [{ layer: 'root', origin: 'https://root', syncedAt: 1, objects }];
    const turnsWhile = async (work: Promise<unknown>): Promise<number> => {
      const state = { isDone: false, turns: 0 };
      const finished = work.finally(() => {
        state.isDone = true;
      });
      for (; !state.isDone; state.turns += 1) await setImmediate();
      await finished;
      return state.turns;
    };
    const turnsOfWriting = await turnsWhile(writeSnapshot(file, layers));
    const pieces = (await stat(file)).size / (64 * 1024);
    expect(pieces).toBeGreaterThan(50);
    expect(turnsOfWriting).toBeGreaterThan(pieces);
    expect(await turnsWhile(readSnapshot(file))).toBeGreaterThan(pieces);
    expect(await readSnapshot(file)).toEqual(layers);
  });
});

describe('a damaged snapshot is refused', () => {
  let whole: Buffer;
  beforeEach(async () => {
    await writeSnapshot(file, small);
    whole = await readFile(file);
  });

  it('whichever byte of it is another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 255 }), async (difference) => {
        for (let at = 0; at < whole.length; at += 1) {
          const damaged = Buffer.from(whole);
          damaged.writeUInt8((damaged.readUInt8(at) ^ difference) & 0xff, at);
          await place(damaged);
          await expectRefused(/./);
        }
      }),
      { numRuns: 3, examples: [[0x20], [0x01]] },
    );
  });

  it('wherever it ends too early', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      await place(whole.subarray(0, length));
      await expectRefused(/^(?:is truncated|is no policy snapshot, or its first line is damaged)$/);
    }
  });

  it.each([
    ['a byte', 'x'],
    ['an empty line', '\n'],
    ['another object', `${JSON.stringify(bindingOf('eve'))}\n`],
  ])('when %s follows', async (_, more) => {
    await place(Buffer.concat([whole, Buffer.from(more)]));
    await expectRefused(/^(?:is truncated|goes on behind its last object)$/);
  });

  it('when two lines have changed places', async () => {
    const [first = '', role = '', binding = ''] = whole.toString().split('\n');
    await place([first, binding, role, ''].join('\n'));
    await expectRefused('is damaged: its checksum is another');
  });
});

const rootLayer = { layer: 'root', origin: 'https://root', syncedAt: 1000, objects: 0 };

describe('a file is refused although its checksum is right', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['without layers', { ...header(), layers: undefined }],
    ['with layers that are no list', { ...header(), layers: {} }],
    ['with a field more', { ...header(rootLayer), more: 1 }],
    ['whose layer has no origin', header({ ...rootLayer, origin: undefined as never })],
    ['whose layer has a field more', header({ ...rootLayer, ...{ more: 1 } })],
    ['whose time is no number', header({ ...rootLayer, syncedAt: '1' as never })],
    ['whose time is not finite', header({ ...rootLayer, syncedAt: Infinity })],
    ['whose time is before the epoch', header({ ...rootLayer, syncedAt: -1 })],
    ['with half an object', header({ ...rootLayer, objects: 0.5 })],
    ['with less than no object', header({ ...rootLayer, objects: -1 })],
  ])('%s', async (_, firstLine) => {
    await place(sealed(firstLine));
    await expectRefused('its first line is damaged', 1_000_000);
  });

  const noSnapshot = 'is no policy snapshot, or its first line is damaged';
  it.each<[fault: string, string, Readonly<Record<string, unknown>>]>([
    [
      'is a policy snapshot of another version',
      'of another version',
      { ...header(rootLayer), apiVersion: 'kcp-metrics-filter/v1' },
    ],
    [noSnapshot, 'of another kind', { ...header(rootLayer), kind: 'TokenSnapshot' }],
    [noSnapshot, 'without a kind', { layers: [] }],
    ['holds a policy layer twice', 'with a layer twice', header(rootLayer, rootLayer)],
    ['is truncated', 'with fewer objects than it says', header({ ...rootLayer, objects: 1 })],
    [
      'is from the future: a clock is wrong, or was',
      'from the future',
      header({ ...rootLayer, syncedAt: 1_060_001 }),
    ],
  ])('%s: %s', async (fault, _, firstLine) => {
    await place(sealed(firstLine));
    await expectRefused(fault, 1_000_000);
  });

  const ann = bindingOf('ann');
  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 1],
    ['a list', [reader]],
    ['nothing', {}],
    ['another kind', { ...reader, kind: 'Role' }],
    ['a role without rules', { ...reader, rules: undefined }],
    ['a role without a name', { ...reader, name: undefined }],
    ['a role with a number for its name', { ...reader, name: 1 }],
    ['a role with subjects', { ...reader, subjects: [] }],
    ['a role whose origin is null', { ...reader, origin: null }],
    ['rules that are no list', { ...reader, rules: {} }],
    ['a rule that is null', { ...reader, rules: [null] }],
    ['a rule without verbs', { ...reader, rules: [{ nonResourceURLs: [] }] }],
    ['a rule with more', { ...reader, rules: [{ verbs: [], nonResourceURLs: [], resources: [] }] }],
    ['a verb for verbs', { ...reader, rules: [{ verbs: 'get', nonResourceURLs: [] }] }],
    ['a URL that is no string', { ...reader, rules: [{ verbs: [], nonResourceURLs: [['/metrics']] }] }],
    ['a binding without a role', { ...ann, role: undefined }],
    ['a binding of a role that is no name', { ...ann, role: { name: 'reader' } }],
    ['a binding whose replication is a word', { ...ann, replicated: 'true' }],
    ['a subject of another kind', { ...ann, subjects: [{ kind: 'Robot', name: 'ann' }] }],
    ['a subject that inherits its kind', { ...ann, subjects: [{ kind: 'toString', name: 'ann' }] }],
    ['a subject without a name', { ...ann, subjects: [{ kind: 'User' }] }],
    ['a namespace that is no string', { ...ann, subjects: [{ kind: 'User', name: 'ann', namespace: 1 }] }],
  ])('with %s for an object', async (_, object) => {
    await place(sealed(header({ ...rootLayer, objects: 2 }), [JSON.stringify(ann), JSON.stringify(object)]));
    await expectRefused('line 3 is no ClusterRole and no ClusterRoleBinding');
  });

  it.each<[string, string | Buffer]>([
    ['no JSON', 'x'],
    ['an empty line', ''],
    ['a prototype', '{"__proto__":{"kind":"ClusterRole","name":"a","rules":[]}}'],
    ['what is not UTF-8', Buffer.from(JSON.stringify({ ...reader, name: 'r\u00e9ader' }), 'latin1')],
    ['a byte order mark', `\ufeff${JSON.stringify(reader)}`],
  ])('with %s in the place of an object', async (_, line) => {
    await place(sealed(header({ ...rootLayer, objects: 1 }), [line]));
    await expectRefused('line 2 is no ClusterRole and no ClusterRoleBinding');
  });

  it('with an object that stands in it twice', async () => {
    const line = JSON.stringify(reader);
    await place(sealed(header({ ...rootLayer, objects: 2 }), [line, line]));
    await expectRefused('line 3 is an object that stands in it already');
  });

  it('with more than it may hold', async () => {
    await place('');
    await truncate(file, 256 * 1024 * 1024 + 1);
    await expectRefused('is larger than 256 MiB');
    await place(sealed(header({ ...rootLayer, origin: 'x'.repeat(1024 * 1024) })));
    await expectRefused('is no policy snapshot, or its first line is damaged');
    await place(sealed(header({ ...rootLayer, origin: 'x'.repeat(1024 * 1024 - 300) })));
    expect(await readSnapshot(file)).toHaveLength(1);
  });

  it('but not for a clock that is a little behind', async () => {
    await place(sealed(header({ ...rootLayer, syncedAt: 1_060_000 })));
    expect(await readSnapshot(file, () => 1_000_000)).toHaveLength(1);
  });

  it('or is read as it stands there, whatever stands there', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: anyCharacter }),
      fc.json(),
      fc.array(fc.jsonValue(), { maxLength: 3 }).map((values) =>
        sealed(
          header({ ...rootLayer, objects: values.length }),
          values.map((value) => JSON.stringify(value)),
        ),
      ),
      fc
        .dictionary(fc.constantFrom('apiVersion', 'kind', 'layers', 'sha256'), fc.jsonValue())
        .map((some) => sealed({ ...header(rootLayer), ...some })),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        await place(content);
        const read = await readSnapshot(file).catch((error: unknown) => {
          expect(error).toBeInstanceOf(SnapshotError);
        });
        expect(read?.flatMap(({ objects }) => objects) ?? []).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('writing', () => {
  it('by several at once leaves the whole of one', async () => {
    const versions = Array.from({ length: 8 }, (_, at) => [
      { layer: 'root', origin: `${at}`, syncedAt: at, objects: manyBindings(500 + at) },
    ]);
    await Promise.all(versions.map((layers) => writeSnapshot(file, layers)));
    expect(versions).toContainEqual(await readSnapshot(file));
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
  });

  it.each<[string, string, () => Promise<unknown>]>([
    ['the directory is gone', 'its directory does not exist', () => rm(directory.path, { recursive: true })],
    [
      'the directory is a file',
      'cannot be written: ENOTDIR (not a directory)',
      async () => {
        await rm(directory.path, { recursive: true });
        await writeFile(directory.path, '');
      },
    ],
    ['a directory stands in its place', 'is not a regular file', () => mkdir(file)],
    [
      'its name is too long',
      'cannot be written: ENAMETOOLONG (name too long)',
      () => Promise.resolve((file = join(directory.path, 'x'.repeat(250)))),
    ],
  ])('fails with a word when %s', async (_, fault, prepare) => {
    await prepare();
    await expect(writeSnapshot(file, small)).rejects.toMatchObject({
      name: 'SnapshotError',
      code: 'ERR_POLICY_SNAPSHOT',
      message: `${file}: ${fault}`,
    });
  });

  it('of more than there may be leaves the old snapshot, and nothing else', async () => {
    await writeSnapshot(file, small);
    const large = [{ layer: 'root', origin: '', syncedAt: 1, objects: manyBindings(1000) }];
    await expect(writeSnapshot(file, large, 100_000)).rejects.toThrow(
      `${file}: would be larger than 100000 bytes`,
    );
    const origin = 'x'.repeat(1024 * 1024);
    await expect(writeSnapshot(file, [{ layer: '', origin, syncedAt: 1, objects: [] }])).rejects.toThrow(
      `${file}: its first line would be larger than 1 MiB`,
    );
    expect(await readSnapshot(file)).toEqual(small);
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
  });

  it('removes what killed writers left, and nothing that is still being written or another', async () => {
    const old = ['.policy.snapshot.0123456789abcdef.tmp'];
    const kept = [
      '.policy.snapshot.0123456789abcdef.tmp.old',
      '.policy.snapshot.xyz.tmp',
      '.other.snapshot.0123456789abcdef.tmp',
      'policy.snapshot.0123456789abcdef.tmp',
    ];
    for (const name of [...old, ...kept]) {
      const path = directory.write(name, 'left');
      const minuteAgo = Date.now() / 1000 - 65;
      await utimes(path, minuteAgo, minuteAgo);
    }
    await mkdir(join(directory.path, '.policy.snapshot.fedcba9876543210.tmp'));
    directory.write('.policy.snapshot.aaaaaaaaaaaaaaaa.tmp', 'being written');
    await writeSnapshot(file, small);
    expect(new Set(await readdir(directory.path))).toEqual(
      new Set([
        ...kept,
        '.policy.snapshot.fedcba9876543210.tmp',
        '.policy.snapshot.aaaaaaaaaaaaaaaa.tmp',
        'policy.snapshot',
      ]),
    );
  });
});

/** A process of its own that writes snapshots, as built. */
function writerProgram(to: TemporaryDirectory, text: string): string {
  const built = new URL('../../../dist/policy/snapshot/snapshot-file.js', import.meta.url);
  return to.write(
    'writer.mjs',
    `import { writeSnapshot } from ${JSON.stringify(built.href)};
    const write = async (round) => {
      const objects = Array.from({ length: 5000 + round }, (_, at) => ({
        kind: 'ClusterRoleBinding', name: round + '-' + at, role: 'reader', subjects: [], replicated: false,
      }));
      await writeSnapshot(process.argv[2], [{ layer: 'root', origin: '', syncedAt: round, objects }]);
    };
    ${text}`,
  );
}

describe('another process that writes', () => {
  let program: TemporaryDirectory;
  beforeEach(() => {
    program = temporaryDirectory();
  });

  it('and is killed leaves a whole snapshot, and the next one takes away what else it left', async () => {
    const writer = writerProgram(program, 'for (let round = 1; ; round += 1) await write(round);');
    let abandoned = 0;
    // After how many events in the directory: most lie somewhere in the middle of a write.
    for (const kill of [1, 2, 3, 8, 21, 55, 89]) {
      const events = watch(directory.path)[Symbol.asyncIterator]();
      const child = spawn(process.execPath, [writer, file], { stdio: ['ignore', 'ignore', 'inherit'] });
      const exited = once(child, 'exit');
      for (let seen = 0; seen < kill; seen += 1) await events.next();
      child.kill('SIGKILL');
      expect(await exited).toEqual([null, 'SIGKILL']);
      await events.return?.();
      for (const { syncedAt: round, objects } of (await readSnapshot(file)) ?? []) {
        expect(objects).toHaveLength(5000 + round);
        expect(objects.every(({ name }) => name.startsWith(`${round}-`))).toBe(true);
      }
      const left = (await readdir(directory.path)).filter((name) => name !== 'policy.snapshot');
      expect(left.length).toBeLessThanOrEqual(1);
      abandoned += left.length;
      for (const name of left) await utimes(join(directory.path, name), 1, 1);
    }
    expect(abandoned).toBeGreaterThan(0);
    await writeSnapshot(file, small);
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
  });

  it('and may write no more leaves the old snapshot, and nothing else', async () => {
    await writeSnapshot(file, small);
    const writer = writerProgram(
      program,
      'await write(1).catch(({ code, message }) => process.stdout.write(`${code} ${message}`));',
    );
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      'ulimit -f 100; exec "$0" "$@"',
      process.execPath,
      writer,
      file,
    ]);
    expect(stdout).toBe(`ERR_POLICY_SNAPSHOT ${file}: cannot be written: EFBIG (file too large)`);
    expect(await readSnapshot(file)).toEqual(small);
    expect(await readdir(directory.path)).toEqual(['policy.snapshot']);
  });
});
