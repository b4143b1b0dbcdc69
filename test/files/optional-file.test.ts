import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { OptionalFile, type OptionalFileOptions } from '../../src/files/optional-file.js';
import { UnreadableFileError } from '../../src/files/followed-files.js';
import { closedAtEnd } from '../support/ending.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

let directory: TemporaryDirectory;
let file: string;
beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'file');
});
function said(bytes: Buffer): string {
  const text = bytes.toString();
  if (text.startsWith('bad')) throw new Error(`file: ${text}`);
  return text;
}

/** Followed, with what was told of it; looked at only when the test does. */
async function following(options: Partial<OptionalFileOptions<string>> = {}) {
  const told: string[] = [];
  const followed = closedAtEnd(
    await OptionalFile.open<string>({
      file,
      parse: said,
      onChange: (now) => {
        told.push(now.kind === 'present' ? now.value : now.kind);
      },
      pollMs: 3_600_000,
      ...options,
    }),
  );
  return { followed, told };
}

describe('a file that may be there or not', () => {
  it('is followed as it comes, changes and goes', async () => {
    const { followed, told } = await following();
    expect(followed.current).toEqual({ kind: 'absent' });
    directory.write('file', 'one');
    await followed.look();
    expect(followed.current).toEqual({ kind: 'present', value: 'one' });
    directory.write('file', '');
    await followed.look();
    expect(followed.current).toEqual({ kind: 'present', value: '' });
    rmSync(file);
    await followed.look();
    await followed.look();
    expect(told).toEqual(['absent', 'one', '', 'absent']);
  });

  it('is looked at in intervals', async () => {
    const { followed } = await following({ pollMs: 10 });
    directory.write('file', 'one');
    await expect.poll(() => followed.current).toEqual({ kind: 'present', value: 'one' });
  });

  it('that cannot be used takes the place of one that could', async () => {
    directory.write('file', 'one');
    const { followed, told } = await following();
    directory.write('file', 'bad');
    await followed.look();
    expect(followed.current).toEqual({ kind: 'fault', message: 'file: bad' });
    await followed.look();
    rmSync(file);
    await followed.look();
    expect(told).toEqual(['one', 'fault', 'absent']);
  });

  it('may be unusable from the start', async () => {
    directory.write('file', 'bad');
    expect((await following()).followed.current.kind).toBe('fault');
  });

  it.each(['a directory', 'a link to one'])('cannot be %s at the start', async (what) => {
    const target = what === 'a directory' ? file : join(directory.path, 'target');
    mkdirSync(target);
    if (target !== file) symlinkSync(target, file);
    await expect(following()).rejects.toThrow(UnreadableFileError);
    await expect(following()).rejects.toThrow(/file is no regular file$/);
  });

  it('that becomes a directory, or too large, is a fault', async () => {
    const { followed } = await following({ maxBytes: 5 });
    mkdirSync(file);
    await followed.look();
    expect(followed.current).toEqual({ kind: 'fault', message: `${file} is no regular file` });
    rmSync(file, { recursive: true });
    directory.write('file', 'longer');
    await followed.look();
    expect(followed.current).toEqual({ kind: 'fault', message: `${file} is larger than 5 bytes` });
  });

  it.skipIf(process.geteuid?.() === 0)('that may not be read is a fault', async () => {
    chmodSync(directory.write('file', 'one'), 0);
    expect((await following()).followed.current).toMatchObject({ kind: 'fault' });
  });

  it('is seen behind a link that leads elsewhere or nowhere', async () => {
    symlinkSync('version', file);
    const { followed } = await following();
    expect(followed.current).toEqual({ kind: 'absent' });
    directory.write('version', 'one');
    await followed.look();
    directory.write('other', 'two');
    renameSync(join(directory.path, 'other'), join(directory.path, 'version'));
    await followed.look();
    expect(followed.current).toEqual({ kind: 'present', value: 'two' });
  });

  it('is looked at no more when it is closed', async () => {
    const { followed, told } = await following();
    followed.close();
    directory.write('file', 'one');
    await followed.look();
    expect(told).toEqual(['absent']);
  });

  it('says what it says to a listener that fails', async () => {
    const { followed } = await following({
      onChange: () => {
        throw new Error('deaf');
      },
    });
    directory.write('file', 'one');
    await followed.look();
    expect(followed.current).toEqual({ kind: 'present', value: 'one' });
  });

  it('is what it was last, in whatever order it comes, changes and goes', async () => {
    const change = fc.constantFrom('one', 'two', '', 'bad', 'bad too', undefined);
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        rmSync(file, { force: true });
        const { followed } = await following();
        for (const text of changes) {
          if (text === undefined) rmSync(file, { force: true });
          else directory.write('file', text);
          await followed.look();
          const kind = text === undefined ? 'absent' : text.startsWith('bad') ? 'fault' : 'present';
          expect(followed.current).toEqual(
            kind === 'absent'
              ? { kind }
              : kind === 'fault'
                ? { kind, message: `file: ${text ?? ''}` }
                : { kind, value: text },
          );
        }
        followed.close();
      }),
      { numRuns: 40 },
    );
  });
});
