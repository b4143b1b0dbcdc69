import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BatchWriter,
  type BatchWriterOptions,
  type LineWriter,
  BlockingWriter,
} from '../../src/audit/line-writers.js';
import { LogFile, type LogFileOptions } from '../../src/audit/log-file.js';
import { atEnd } from '../support/ending.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { LinesObserved } from './lines-observed.js';

let directory: TemporaryDirectory;
let path: string;
beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, 'audit.log');
});
function fileOf(options: Partial<LogFileOptions> = {}): LogFile {
  return new LogFile({ path, maxAgeDays: 0, maxBackups: 0, maxBytes: 0, ...options });
}

interface Opened {
  readonly writer: LineWriter;
  readonly observed: LinesObserved;
}

function open(
  mode: 'batch' | 'blocking',
  options: Partial<LogFileOptions & BatchWriterOptions> = {},
): Opened {
  const observed = new LinesObserved();
  const file = fileOf(options);
  const quick = { maxLines: 1000, gatherMs: 1, retryMs: 5, closeTimeoutMs: 200, ...options };
  const writer =
    mode === 'batch' ? new BatchWriter(file, observed, quick) : new BlockingWriter(file, observed);
  atEnd(() => writer.close());
  return { writer, observed };
}

const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `line ${at}\n`);
const textOf = (file: string): string => readFileSync(file, 'utf8');
const rotatedFiles = (): readonly string[] =>
  readdirSync(directory.path)
    .filter((name) => name !== 'audit.log')
    .sort();
const soon = { timeout: 5000, interval: 5 };

function pipe(): number {
  execFileSync('mkfifo', [path]);
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  atEnd(() => {
    closeSync(descriptor);
  });
  return descriptor;
}

describe.each(['batch', 'blocking'] as const)('in %s mode', (mode) => {
  it('every line is in the file, in order, and nobody else may read it', async () => {
    const { writer, observed } = open(mode);
    for (const line of numbered(1000)) writer.write(line);
    await writer.close();
    expect(textOf(path)).toBe(numbered(1000).join(''));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(observed).toMatchObject({ outages: [], lost: { log: 0, buffered: 0 } });
  });

  it('makes the directories that are missing, and adds to a file that is there', async () => {
    path = join(directory.path, 'a/b/audit.log');
    const first = open(mode);
    first.writer.write('first\n');
    await first.writer.close();
    expect(statSync(join(directory.path, 'a')).mode & 0o777).toBe(0o700);
    const second = open(mode);
    second.writer.write('second\n');
    await second.writer.close();
    expect(textOf(path)).toBe('first\nsecond\n');
  });

  it('ends the line that a killed process has left', async () => {
    writeFileSync(path, 'whole\nhal');
    const { writer } = open(mode);
    writer.write('next\n');
    await writer.close();
    expect(textOf(path)).toBe('whole\nhal\nnext\n');
  });

  it('rotates by size, and keeps as many as it should', async () => {
    let now = Date.parse('2026-11-21T10:00:00Z');
    const { writer } = open(mode, { maxBytes: 16, maxBackups: 2, now: () => now });
    for (const line of numbered(10)) {
      writer.write(line);
      await vi.waitUntil(() => textOf(path).endsWith(line), soon);
      now += 1000;
    }
    await vi.waitUntil(() => rotatedFiles().length === 2, soon);
    expect(rotatedFiles()).toEqual([
      'audit-2026-11-21T10-00-06.000.log',
      'audit-2026-11-21T10-00-08.000.log',
    ]);
    for (const name of rotatedFiles())
      expect(statSync(join(directory.path, name)).size).toBeLessThanOrEqual(16);
    expect(textOf(path)).toMatch(/line 9\n$/);
  });

  it('rotates the file that a symbolic link leads to, and never the link', async () => {
    const target = join(directory.path, 'elsewhere');
    mkdirSync(target);
    symlinkSync(join(target, 'real.log'), path);
    const { writer } = open(mode, { maxBytes: 8, maxBackups: 1, now: () => 0 });
    for (const line of numbered(3)) {
      writer.write(line);
      await vi.waitUntil(() => textOf(path) === line, soon);
    }
    expect(readlinkSync(path)).toBe(join(target, 'real.log'));
    await vi.waitUntil(() => readdirSync(target).length === 2, soon);
    expect(readdirSync(directory.path).sort()).toEqual(['audit.log', 'elsewhere']);
  });

  it('removes by age what was rotated before, at the start', async () => {
    const old = 'audit-2026-11-01T10-00-00.000.log';
    const young = 'audit-2026-11-20T10-00-00.000.log';
    for (const name of [old, young, 'audit-notes.log']) directory.write(name, '');
    open(mode, { maxAgeDays: 7, now: () => Date.parse('2026-11-21T10:00:00Z') });
    await vi.waitUntil(() => !existsSync(join(directory.path, old)), soon);
    expect(rotatedFiles()).toEqual([young, 'audit-notes.log']);
  });

  it('never takes the place of a file that was rotated in the same millisecond', async () => {
    const { writer } = open(mode, { maxBytes: 8, now: () => 0 });
    for (const line of numbered(5)) {
      writer.write(line);
      await vi.waitUntil(() => textOf(path) === line, soon);
    }
    expect(rotatedFiles()).toHaveLength(4);
  });

  it.each([
    [
      'renamed, as logrotate does it',
      () => {
        renameSync(path, `${path}.1`);
      },
    ],
    [
      'removed with its directory',
      () => {
        rmSync(directory.path, { recursive: true });
      },
    ],
  ])('goes on in a new file where the old one was %s', async (_, takeAway) => {
    let now = 0;
    const { writer, observed } = open(mode, { now: () => now });
    writer.write('before\n');
    await vi.waitUntil(() => textOf(path) === 'before\n', soon);
    takeAway();
    now += 2000;
    writer.write('after\n');
    await vi.waitUntil(() => existsSync(path) && textOf(path) === 'after\n', soon);
    expect(observed.outages).toEqual([]);
  });

  it('is told once that a disk is full, and of what is lost; nothing is thrown', async () => {
    path = '/dev/full';
    const { writer, observed } = open(mode, { maxLines: 10 });
    for (const line of numbered(5)) writer.write(line);
    await vi.waitUntil(() => observed.outages.length > 0, soon);
    for (const line of numbered(20)) writer.write(line);
    await writer.close();
    expect(observed.outages).toEqual(['ENOSPC']);
    expect(observed.lost).toEqual(mode === 'batch' ? { log: 10, buffered: 15 } : { log: 25, buffered: 0 });
    writer.write('after the end\n');
    expect(observed.lost.log + observed.lost.buffered).toBe(26);
  });

  it('neither throws nor rejects where closing the file fails too', async () => {
    path = '/dev/full';
    const observed = new LinesObserved();
    const file = fileOf();
    // As a file server may answer a close; the descriptor is not to be had otherwise.
    const { descriptor } = file.ready(0);
    closeSync(descriptor);
    const writer =
      mode === 'batch'
        ? new BatchWriter(file, observed, { maxLines: 10, gatherMs: 1, retryMs: 5, closeTimeoutMs: 50 })
        : new BlockingWriter(file, observed);
    writer.write('a\n');
    await vi.waitUntil(() => observed.outages.length > 0, soon);
    await writer.close();
    expect(observed).toMatchObject({ outages: ['EBADF'], lost: { log: 1, buffered: 0 } });
  });

  it('does not wait for a pipe that nobody reads', async () => {
    pipe();
    const { writer, observed } = open(mode, { maxLines: 100 });
    const line = `${'x'.repeat(4000)}\n`;
    const started = performance.now();
    for (let count = 0; count < 200; count += 1) writer.write(line);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(observed.outages).toHaveLength(1);
    await writer.close();
    expect(observed.lost.log + observed.lost.buffered).toBeGreaterThan(100);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe('a file that takes the place of another', () => {
  const isRoot = process.getuid?.() === 0;
  const adm = 5678;
  const nobody = 65_534;
  const accessOf = (file: string) => {
    const { mode, uid, gid } = statSync(file);
    return { mode: mode & 0o7777, uid, gid };
  };
  const own = (): { uid: number; gid: number } => {
    const { uid, gid } = statSync(directory.path);
    return { uid, gid };
  };

  function write(file: LogFile, line: string): void {
    const { descriptor } = file.ready(line.length);
    writeSync(descriptor, line);
    file.wrote(line.length);
  }

  const giving =
    (mode: number, [uid, gid] = [-1, -1]) =>
    (file: string): void => {
      chownSync(file, uid, gid);
      chmodSync(file, mode);
    };

  /** A log of one line, whose file an operator has then given to others. */
  function started(give: (file: string) => void, options: Partial<LogFileOptions> = {}): LogFile {
    const file = fileOf({ maxBytes: 8, ...options });
    atEnd(() => {
      file.close();
    });
    write(file, 'first\n');
    give(path);
    return file;
  }

  function rotatedName(): string {
    const [name = '', ...others] = rotatedFiles();
    expect(others).toEqual([]);
    return join(directory.path, name);
  }

  it.each([
    [0o640, 0o640],
    [0o666, 0o666],
    [0o4660, 0o660],
  ])('has its mode after a rotation, whatever the umask: %o', (before, after) => {
    const file = started(giving(before));
    const umask = process.umask(0o077);
    try {
      write(file, 'second\n');
    } finally {
      process.umask(umask);
    }
    expect(textOf(path)).toBe('second\n');
    expect(accessOf(path)).toEqual({ mode: after, ...own() });
    expect(accessOf(rotatedName()).mode).toBe(before);
  });

  it('has its mode also where a symbolic link leads to it', () => {
    const target = join(directory.path, 'elsewhere');
    mkdirSync(target);
    symlinkSync(join(target, 'real.log'), path);
    const file = started(giving(0o644));
    write(file, 'second\n');
    expect(readlinkSync(path)).toBe(join(target, 'real.log'));
    expect([textOf(path), accessOf(path).mode]).toEqual(['second\n', 0o644]);
  });

  it('has its mode where others have moved it away', () => {
    let now = 0;
    const file = started(giving(0o640), { now: () => now });
    renameSync(path, `${path}.1`);
    now += 2000;
    write(file, 'second\n');
    expect([textOf(path), accessOf(path).mode]).toEqual(['second\n', 0o640]);
  });

  it('is left as it is where others have put it there', () => {
    let now = 0;
    const theirs = join(directory.path, 'theirs');
    writeFileSync(theirs, '', { mode: 0o600 });
    for (const put of [
      () => {
        writeFileSync(path, '', { mode: 0o600 });
      },
      () => {
        symlinkSync(theirs, path);
      },
    ]) {
      const file = started(giving(0o666), { now: () => now });
      rmSync(path);
      put();
      now += 2000;
      write(file, 'second\n');
      expect([textOf(path), accessOf(path).mode]).toEqual(['second\n', 0o600]);
      rmSync(path);
    }
  });

  it.runIf(isRoot)('has its owner and group', () => {
    const file = started(giving(0o640, [nobody, adm]));
    write(file, 'second\n');
    const access = { mode: 0o640, uid: nobody, gid: adm };
    expect([accessOf(path), accessOf(rotatedName())]).toEqual([access, access]);
  });

  describe.runIf(isRoot)('of a process that is not root', () => {
    const groups = process.getgroups?.() ?? [];
    afterEach(() => {
      process.seteuid?.(0);
      process.setgroups?.(groups);
    });
    function becomeNobody(members: readonly number[]): void {
      chmodSync(directory.path, 0o777);
      process.setgroups?.(members);
      process.seteuid?.(nobody);
    }

    it('has its group where the process is in it', () => {
      const file = started(giving(0o640, [0, adm]));
      becomeNobody([adm]);
      write(file, 'second\n');
      expect(accessOf(path)).toEqual({ mode: 0o640, uid: nobody, gid: adm });
    });

    it('is for no other group where it is not', () => {
      const file = started(giving(0o664, [0, adm]));
      becomeNobody([]);
      write(file, 'second\n');
      expect(textOf(path)).toBe('second\n');
      expect(accessOf(path)).toEqual({ mode: 0o604, uid: nobody, gid: own().gid });
    });
  });
});

describe('in batch mode', () => {
  it('a short outage loses nothing, and is told to be over', async () => {
    path = join(directory.path, 'logs', 'audit.log');
    let now = 0;
    // Two seconds a reading: whether the file is still there is looked at before each write.
    const { writer, observed } = open('batch', { now: () => (now += 2000) });
    writer.write('before\n');
    await vi.waitUntil(() => textOf(path) === 'before\n', soon);
    // A file in the directory's place: nothing can be written, and nothing be made.
    rmSync(join(directory.path, 'logs'), { recursive: true });
    writeFileSync(join(directory.path, 'logs'), '');
    writer.write('meanwhile\n');
    await observed.next('outage');
    const recovered = observed.next('recovery');
    rmSync(join(directory.path, 'logs'));
    mkdirSync(join(directory.path, 'logs'));
    await recovered;
    expect(textOf(path)).toBe('meanwhile\n');
    expect(observed).toMatchObject({ lost: { log: 0, buffered: 0 }, recoveries: 1 });
  });

  it('gives a pipe every line whole, as fast as it is read', async () => {
    const descriptor = pipe();
    const { writer, observed } = open('batch', { maxLines: 10_000, closeTimeoutMs: 10_000 });
    const lines = Array.from({ length: 500 }, (_, at) => `${at} ${'x'.repeat(at * 20)}\n`);
    for (const line of lines) writer.write(line);
    const closed = writer.close();
    let received = '';
    const buffer = Buffer.alloc(64 * 1024);
    const expected = lines.join('');
    await vi.waitUntil(
      () => {
        try {
          received += buffer.toString('latin1', 0, readSync(descriptor, buffer));
        } catch {
          // Nothing in it for now.
        }
        return received.length >= expected.length;
      },
      { timeout: 20_000, interval: 1 },
    );
    await closed;
    expect(received === expected).toBe(true);
    expect(observed.lost).toEqual({ log: 0, buffered: 0 });
  });

  it('is over where a write outlasts its end: it is not tried again for ever', async () => {
    execFileSync('mkfifo', [path]);
    // Without O_NONBLOCK: a write waits for a reader.
    const descriptor = openSync(path, constants.O_RDWR);
    const calls: string[] = [];
    const destination = {
      ready: () => {
        calls.push('ready');
        if (calls.length > 1) throw new Error('a second write');
        return { descriptor, isAnother: true };
      },
      wrote: () => undefined,
      abandon: () => calls.push('abandon'),
      close: () => calls.push('close'),
    };
    const observed = new LinesObserved();
    const writer = new BatchWriter(destination, observed, { maxLines: 10, gatherMs: 1, closeTimeoutMs: 50 });
    writer.write(`${'x'.repeat(70_000)}\n`);
    writer.write(`${'x'.repeat(250_000)}\n`);
    await writer.close();
    expect([observed.lost.log, calls]).toEqual([2, ['ready']]);
    const buffer = Buffer.alloc(64 * 1024);
    for (let left = 70_001; left > 0; left -= readSync(descriptor, buffer));
    await vi.waitUntil(() => calls.includes('close'), soon);
    closeSync(descriptor);
    expect(calls).toEqual(['ready', 'close']);
  });

  it('does not write before it has gathered, and loses what comes after the end', async () => {
    const { writer, observed } = open('batch', { gatherMs: 60_000 });
    writer.write('a\n');
    expect(textOf(path)).toBe('');
    await writer.close();
    await writer.close();
    expect(textOf(path)).toBe('a\n');
    writer.write('b\n');
    expect(observed.lost).toEqual({ log: 0, buffered: 1 });
  });

  it('holds so many bytes at most, however few lines they are', () => {
    const { writer, observed } = open('batch', { gatherMs: 60_000 });
    const line = `${'x'.repeat(1024 * 1024)}\n`;
    for (let count = 0; count < 20; count += 1) writer.write(line);
    expect(observed).toMatchObject({ lost: { buffered: 5 }, outages: ['too many events wait'] });
  });
});

describe('in blocking mode', () => {
  it('a line is in the file when the call returns', () => {
    const { writer } = open('blocking');
    writer.write('a\n');
    expect(textOf(path)).toBe('a\n');
  });
});

it.skipIf(process.getuid?.() === 0)('a file that may not be written to is refused', () => {
  appendFileSync(path, '');
  chmodSync(path, 0o400);
  expect(() => fileOf()).toThrow(/EACCES/);
});
