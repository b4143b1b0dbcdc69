import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { blamingFile, FollowedFlagFiles, ofOneFile } from '../../src/options/followed-flag-files.js';
import type { Flag } from '../../src/options/flags.js';
import { UsageError } from '../../src/options/usage-error.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const flag: Flag = { name: '--client-ca-file', value: 'file', description: 'a file' };
const other: Flag = { name: '--token-auth-file', value: 'file', description: 'another' };
const soon = { timeout: 5000, interval: 20 };
const text = ofOneFile((content, file) => {
  if (content === 'bad') throw new Error(`${file}:\n  two lines`);
  return content;
});

let directory: TemporaryDirectory;
const opened: FollowedFlagFiles[] = [];
beforeAll(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  for (const files of opened.splice(0)) files.close();
});
afterAll(() => {
  directory.remove();
});

function followed(): { readonly files: FollowedFlagFiles; readonly told: string[] } {
  const told: string[] = [];
  const files = new FollowedFlagFiles((name, result) => {
    told.push(`${name}: ${result.result === 'success' ? 'success' : result.message}`);
  });
  opened.push(files);
  return { files, told };
}

describe('the files that flags name', () => {
  it('are read, and read again when they change, each under its flag', async () => {
    const { files, told } = followed();
    const [one, two] = [directory.write('one', 'first'), directory.write('two', 'first')];
    const first = await files.open(flag, [one], text);
    const second = await files.open(other, [two], text);
    expect([first.current, second.current, told]).toEqual(['first', 'first', []]);
    directory.write('one', 'second');
    directory.write('two', 'bad');
    await expect
      .poll(() => told.toSorted(), soon)
      .toEqual(['--client-ca-file: success', `--token-auth-file: ${two}:\n  two lines`]);
    expect([first.current, second.current]).toEqual(['second', 'first']);
  });

  it.each([
    ['missing', /^--client-ca-file: .*missing cannot be read: ENOENT$/],
    ['bad', /^--client-ca-file: .*bad: two lines$/],
  ])('end the start in one line that names the flag: %s', async (name, message) => {
    directory.write('bad', 'bad');
    const opening = followed().files.open(flag, [`${directory.path}/${name}`], text);
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(message);
  });

  it('are blamed for what is wrong with them, whatever is thrown', () => {
    expect(blamingFile('a.crt', () => 1)).toBe(1);
    const blamed = (thrown: unknown) => () =>
      blamingFile('a.crt', () => {
        throw thrown;
      });
    expect(blamed(new RangeError('no end'))).toThrow('a.crt: no end');
    expect(blamed('no end')).toThrow('a.crt: no end');
  });

  it('are one where one is needed', () => {
    expect(() => text([])).toThrow(RangeError);
  });
});
