import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FilesRead } from '../../src/files/files-read.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

let directory: TemporaryDirectory;

beforeEach(() => {
  directory = temporaryDirectory();
});

describe('files that were read', () => {
  it('have changed when one was written, has come or has gone', async () => {
    const one = directory.write('one', '1');
    const missing = join(directory.path, 'missing');
    const readBoth = async (): Promise<FilesRead> => {
      const files = new FilesRead();
      await files.read(one, 10);
      await files.read(missing, 10);
      expect(await files.haveChanged()).toBe(false);
      return files;
    };
    const changes = [
      () => directory.write('one', '22'),
      () => directory.write('missing', ''),
      () => execFileSync('rm', [one]),
    ];
    for (const change of changes) {
      const files = await readBoth();
      change();
      expect(await files.haveChanged()).toBe(true);
    }
  });

  it('may have changed without a sign for as long as they are new', async () => {
    const files = new FilesRead();
    await files.read(directory.write('one', '1'), 10);
    expect([await files.haveChanged(), await files.mayHaveChanged()]).toEqual([false, true]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 });
    expect([await files.haveChanged(), await files.mayHaveChanged()]).toEqual([false, false]);
  });

  it('may be as large as allowed', async () => {
    const file = directory.write('one', '12345');
    expect(await new FilesRead().read(file, 5)).toEqual({ kind: 'bytes', bytes: Buffer.from('12345') });
    expect(await new FilesRead().read(file, 4)).toEqual({ kind: 'fault', fault: 'is larger than 4 bytes' });
  });

  it('are no pipes, which might never say anything', async () => {
    const pipe = join(directory.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await new FilesRead().read(pipe, 10)).toEqual({ kind: 'fault', fault: 'is no regular file' });
  });
});
