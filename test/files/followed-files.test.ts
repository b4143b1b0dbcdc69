import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  FollowedFiles,
  UnreadableFileError,
  type FileContent,
  type FollowedFilesOptions,
} from '../../src/files/followed-files.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

type Said = readonly string[];

let directory: TemporaryDirectory;
const opened: FollowedFiles<unknown>[] = [];
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  for (const followed of opened.splice(0)) followed.close();
});

/** What the files say, unless it begins with `bad`. */
function said(contents: readonly FileContent[]): Said {
  return contents.map(({ file, bytes }) => {
    const text = bytes.toString();
    if (text.startsWith('bad')) throw new Error(`${file}: ${text}`);
    return text;
  });
}

/** Followed, with what was told of it; looked at only when the test does. */
async function following(files: readonly string[], options: Partial<FollowedFilesOptions<Said>> = {}) {
  const told: string[] = [];
  const followed = await FollowedFiles.open<Said>({
    files,
    parse: said,
    onReload: (result) => told.push(result.result === 'success' ? 'success' : result.message),
    pollMs: 3_600_000,
    ...options,
  });
  opened.push(followed);
  return { followed, told };
}

/** As a Secret's mount: files are links through `..data`, which is replaced in one step. */
function mounted(names: readonly string[]) {
  let version = 0;
  const swap = (text: string): void => {
    version += 1;
    const target = `..${version}`;
    mkdirSync(join(directory.path, target));
    for (const name of names) writeFileSync(join(directory.path, target, name), text);
    symlinkSync(target, join(directory.path, '..data_tmp'));
    renameSync(join(directory.path, '..data_tmp'), join(directory.path, '..data'));
  };
  const files = names.map((name) => {
    const file = join(directory.path, name);
    symlinkSync(`..data/${name}`, file);
    return file;
  });
  return { files, swap };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('followed files', () => {
  it('say something else as soon as a change is seen', async () => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file]);
    expect([followed.current, told]).toEqual([['first'], []]);
    directory.write('one', 'second');
    expect(followed.current).toEqual(['first']);
    await followed.look();
    expect([followed.current, told]).toEqual([['second'], ['success']]);
  });

  it('are looked at by themselves', async () => {
    const file = directory.write('one', 'first');
    const { followed } = await following([file], { pollMs: 5 });
    directory.write('one', 'second');
    await expect.poll(() => followed.current, { interval: 5 }).toEqual(['second']);
  });

  it('are one value, in the order they were named in', async () => {
    const files = [directory.write('b', 'B'), directory.write('a', 'A')];
    const { followed } = await following(files);
    directory.write('a', 'AA');
    await followed.look();
    expect(followed.current).toEqual(['B', 'AA']);
  });

  it('change together where a link to all of them does, whenever it does', async () => {
    const { files, swap } = mounted(['tls.crt', 'tls.key']);
    swap('0');
    const parsed: Said[] = [];
    const { followed } = await following(files, {
      parse: (contents) => {
        const texts = said(contents);
        parsed.push(texts);
        return texts;
      },
    });
    for (let turns = 0; turns < 30; turns += 1) {
      const looking = followed.look();
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      swap(String(turns + 1));
      await looking;
    }
    await followed.look();
    expect(followed.current).toEqual(['30', '30']);
    expect(parsed.filter(([certificate, key]) => certificate !== key)).toEqual([]);
  });

  it('stay the same object while their bytes are the same, and nothing is told', async () => {
    const file = directory.write('one', 'same');
    const { followed, told } = await following([file]);
    const first = followed.current;
    directory.write('one', 'same');
    await followed.look();
    renameSync(directory.write('new', 'same'), file);
    await followed.look();
    expect(followed.current).toBe(first);
    expect(told).toEqual([]);
  });

  it('are not the same where a byte has moved from one to the next', async () => {
    const files = [directory.write('a', 'xy'), directory.write('b', 'z')];
    const { followed } = await following(files);
    directory.write('a', 'x');
    directory.write('b', 'yz');
    await followed.look();
    expect(followed.current).toEqual(['x', 'yz']);
  });

  it('may take their time to be understood', async () => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file], {
      parse: async (contents) => {
        await nextTurn();
        return said(contents);
      },
    });
    directory.write('one', 'bad');
    await followed.look();
    directory.write('one', 'second');
    await followed.look();
    expect([followed.current, told]).toEqual([['second'], [`${file}: bad`, 'success']]);
  });

  it('are looked at once where several ask at once', async () => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file]);
    directory.write('one', 'second');
    await Promise.all([followed.look(), followed.look(), followed.look()]);
    expect(told).toEqual(['success']);
  });

  it('go on being followed where whoever is told fails', async () => {
    const file = directory.write('one', 'first');
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const { followed } = await following([file], {
      onReload: () => {
        throw new Error('deaf');
      },
    });
    directory.write('one', 'second');
    await followed.look();
    expect(followed.current).toEqual(['second']);
    expect((await warned).message).toContain('followed files failed with Error');
  });
});

describe('what cannot be used', () => {
  it('leaves the old value in force, and is told once', async () => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file]);
    const first = followed.current;
    directory.write('one', 'bad');
    await followed.look();
    await followed.look();
    directory.write('one', 'bad');
    await followed.look();
    expect(followed.current).toBe(first);
    expect(told).toEqual([`${file}: bad`]);
  });

  it.each([
    [
      'is told again where it is something else',
      ['bad', 'bad, too', 'bad'],
      'first',
      ['bad', 'bad, too', 'bad'],
    ],
    [
      'is over with the next content that can be used',
      ['bad', 'second', 'bad'],
      'second',
      ['bad', 'success', 'bad'],
    ],
    ['is over, and told to be, when the old content is back', ['bad', 'first'], 'first', ['bad', 'success']],
  ])('%s', async (_, texts, current, expected) => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file]);
    const first = followed.current;
    for (const text of texts) {
      directory.write('one', text);
      await followed.look();
    }
    await followed.look();
    if (current === 'first') expect(followed.current).toBe(first);
    else expect(followed.current).toEqual([current]);
    expect(told).toEqual(expected.map((result) => (result === 'success' ? result : `${file}: ${result}`)));
  });

  it('leaves all files’ old values in force, though only one is bad', async () => {
    const files = [directory.write('a', 'A'), directory.write('b', 'B')];
    const { followed } = await following(files);
    directory.write('a', 'AA');
    directory.write('b', 'bad');
    await followed.look();
    expect(followed.current).toEqual(['A', 'B']);
    directory.write('b', 'BB');
    await followed.look();
    expect(followed.current).toEqual(['AA', 'BB']);
  });

  const linkTo =
    (target?: string) =>
    (file: string): void => {
      symlinkSync(target ?? file, file);
    };
  const tooLarge = (file: string): void => {
    writeFileSync(file, '123456789');
  };
  const faults: readonly (readonly [what: string, fault: string, damage: (file: string) => void])[] = [
    ['has vanished', 'cannot be read: ENOENT', () => undefined],
    ['is a pipe', 'is no regular file', (file) => void execFileSync('mkfifo', [file])],
    ['is a directory', 'is no regular file', mkdirSync],
    ['is a device', 'is no regular file', linkTo('/dev/zero')],
    ['is a link to itself', 'cannot be read: ELOOP', linkTo()],
    ['is a link to nothing', 'cannot be read: ENOENT', linkTo('nothing')],
    ['is too large', 'is larger than 8 bytes', tooLarge],
  ];
  it.each(faults)('is a file that %s', async (_, fault, damage) => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file], { maxBytes: 8 });
    rmSync(file);
    damage(file);
    await followed.look();
    await followed.look();
    expect([followed.current, told]).toEqual([['first'], [`${file} ${fault}`]]);
    rmSync(file, { recursive: true, force: true });
    directory.write('one', '12345678');
    await followed.look();
    expect([followed.current, told]).toEqual([['12345678'], [`${file} ${fault}`, 'success']]);
  });

  it.each(faults)('is, to begin with, a file that %s', async (_, fault, damage) => {
    const file = join(directory.path, 'one');
    damage(file);
    const opening = following([file], { maxBytes: 8 });
    await expect(opening).rejects.toThrow(new UnreadableFileError(`${file} ${fault}`));
    await expect(opening).rejects.toMatchObject({ code: 'ERR_UNREADABLE_FILE' });
  });

  it('is refused to begin with, in the words of who read it', async () => {
    const file = directory.write('one', 'bad');
    await expect(following([file])).rejects.toThrow(`${file}: bad`);
  });
});

describe('closed', () => {
  it('nothing is looked at and nothing told', async () => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file]);
    followed.close();
    directory.write('one', 'second');
    await followed.look();
    directory.write('one', 'bad');
    await followed.look();
    expect([followed.current, told]).toEqual([['first'], []]);
  });

  it.each(['second', 'bad'])('nothing is told of what was being read meanwhile: %s', async (text) => {
    const file = directory.write('one', 'first');
    const { followed, told } = await following([file], {
      parse: (contents) => {
        // Of the second reading; the first is over before there is anything to close.
        opened[0]?.close();
        return said(contents);
      },
    });
    directory.write('one', text);
    await followed.look();
    expect(told).toEqual([]);
  });
});

describe('whatever happens to files', () => {
  const write = (text: string): void => {
    directory.write('one', text);
  };
  const replace = (text: string): void => {
    renameSync(directory.write('new', text), join(directory.path, 'one'));
  };
  const link = (text: string): void => {
    directory.write('target', text);
    rmSync(join(directory.path, 'one'), { force: true });
    symlinkSync('target', join(directory.path, 'one'));
  };
  const remove = (): void => {
    rmSync(join(directory.path, 'one'), { force: true });
  };

  it('the value is that of the last content that could be used, and told is what changes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            change: fc.constantFrom(write, replace, link, remove),
            text: fc.constantFrom('a', 'b', 'c', 'bad 1', 'bad 2', ''),
          }),
          { maxLength: 8 },
        ),
        async (steps) => {
          rmSync(join(directory.path, 'one'), { force: true });
          const file = directory.write('one', 'first');
          const { followed, told } = await following([file]);
          let value = 'first';
          let failure: string | undefined;
          const expected: string[] = [];
          for (const { change, text } of steps) {
            change(text);
            await followed.look();
            const fault = change === remove ? `${file} cannot be read: ENOENT` : `${file}: ${text}`;
            if (change === remove || text.startsWith('bad')) {
              if (fault !== failure) expected.push(fault);
              failure = fault;
            } else {
              if (text !== value || failure !== undefined) expected.push('success');
              [value, failure] = [text, undefined];
            }
            expect(followed.current).toEqual([value]);
          }
          followed.close();
          expect(told).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('files that are replaced one after the other', () => {
  /** One value, unless the files differ. */
  const alike = (contents: readonly FileContent[]): Said => {
    const texts = contents.map(({ bytes }) => bytes.toString());
    if (new Set(texts).size > 1) throw new Error('they differ');
    return texts;
  };
  const isUnsettled = (error: unknown): boolean => error instanceof Error && error.message === 'they differ';
  const files = (text: string) => ['a', 'b'].map((name) => directory.write(name, text));

  it('are not told of between the first and the last', async () => {
    const { followed, told } = await following(files('one'), { parse: alike, isUnsettled });
    directory.write('a', 'two');
    await followed.look();
    await followed.look();
    expect([told, followed.current]).toEqual([[], ['one', 'one']]);
    directory.write('b', 'two');
    await followed.look();
    expect([told, followed.current]).toEqual([['success'], ['two', 'two']]);
    directory.write('a', 'three');
    await followed.look();
    directory.write('a', 'two');
    await followed.look();
    expect(told).toEqual(['success']);
  });

  it('are told of once they have stayed so, once', async () => {
    const { followed, told } = await following(files('one'), { parse: alike, isUnsettled, pollMs: 20 });
    directory.write('a', 'two');
    await expect.poll(() => told, { timeout: 10_000 }).toEqual(['they differ']);
    await followed.look();
    expect([told, followed.current]).toEqual([['they differ'], ['one', 'one']]);
  });

  it('are waited for at the first reading, too, but not for ever', async () => {
    const [, second = ''] = files('one');
    directory.write('a', 'two');
    const parse = (contents: readonly FileContent[]): Said => {
      try {
        return alike(contents);
      } catch (error) {
        writeFileSync(second, 'two');
        throw error;
      }
    };
    const { followed } = await following([join(directory.path, 'a'), second], { parse, isUnsettled });
    expect(followed.current).toEqual(['two', 'two']);
    directory.write('a', 'three');
    await expect(
      following([join(directory.path, 'a'), second], { parse: alike, isUnsettled }),
    ).rejects.toThrow('they differ');
  });
});
