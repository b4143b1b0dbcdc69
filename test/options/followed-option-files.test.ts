import { describe, expect, it } from 'vitest';
import { blamingFile, FollowedOptionFiles } from '../../src/options/followed-option-files.js';
import { topic } from '../../src/options/option.js';
import { file } from '../../src/options/option-kinds.js';
import { UsageError } from '../../src/options/usage-error.js';
import { closedAtEnd } from '../support/ending.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const { clientCaFile, tokenAuthFile, other } = topic('Files', {
  clientCaFile: file({ followed: true }).help('a file'),
  tokenAuthFile: file({ followed: true }).help('another'),
  other: file().help('one that is read once'),
}).options;
const soon = { timeout: 5000, interval: 20 };
const text = (content: string, name: string): string => {
  if (content === 'bad') throw new Error(`${name}:\n  two lines`);
  return content;
};

const directory = temporaryDirectory();
function followed(): { readonly files: FollowedOptionFiles; readonly told: string[] } {
  const told: string[] = [];
  const files = closedAtEnd(
    new FollowedOptionFiles((name, result) => {
      told.push(`${name}: ${result.result === 'success' ? 'success' : result.message}`);
    }),
  );
  return { files, told };
}

describe('the files that flags name', () => {
  it('are read, and read again when they change, each under its flag', async () => {
    const { files, told } = followed();
    const [one, two] = [directory.write('one', 'first'), directory.write('two', 'first')];
    const first = await files.openOne(clientCaFile, one, text);
    const second = await files.openOne(tokenAuthFile, two, text);
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
    const opening = followed().files.openOne(clientCaFile, `${directory.path}/${name}`, text);
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

  it('are those of options that are declared so', async () => {
    const file = directory.write('one', 'first');
    await expect(followed().files.openOne(other, file, text)).rejects.toThrow(RangeError);
  });
});
