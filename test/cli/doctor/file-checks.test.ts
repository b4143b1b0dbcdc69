import { chmodSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accessFindings, lookAtFiles } from '../../../src/cli/doctor/given-files.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { saidIn } from './levels.js';

const us = 1000;
const somebodyElse = 0;
const subject = '--token-auth-file /tokens.csv';

describe('the permissions of a file', () => {
  const secrets: readonly (readonly [owner: number, mode: number, said: string | undefined])[] = [
    [us, 0o600, undefined],
    [us, 0o400, undefined],
    [us, 0o100600, undefined],
    [us, 0o640, 'can be read by its group (mode 0640)'],
    [us, 0o644, 'can be read by everybody (mode 0644)'],
    [us, 0o604, 'can be read by everybody (mode 0604)'],
    [somebodyElse, 0o440, undefined],
    [somebodyElse, 0o444, 'can be read by everybody (mode 0444)'],
  ];
  it.each(secrets)('of a secret that belongs to user %i with mode %o', (uid, mode, said) => {
    expect(saidIn(accessFindings({ subject, isSecret: true }, { uid, mode }, us))).toEqual(
      said === undefined
        ? []
        : [
            `warning: contains secrets and ${said}: make it 0600, or set defaultMode: 0400 for the volume of a Secret`,
          ],
    );
  });

  it.each([
    [0o644, []],
    [0o664, []],
    [
      0o666,
      [
        'warning: can be written by every local user (mode 0666), who could then grant themselves access: chmod o-w',
      ],
    ],
  ])('of a file for everybody with mode %o', (mode, said) => {
    expect(saidIn(accessFindings({ subject, isSecret: false }, { uid: us, mode }, us))).toEqual(said);
  });
});

describe('a file on disk', () => {
  const directory = temporaryDirectory();

  it('is looked at as it is', async () => {
    const file = directory.write('tokens.csv', 'secret-token,alice,1');
    chmodSync(file, 0o644);
    expect((await lookAtFiles({ tokenAuthFile: file })).findings).toHaveLength(1);
    chmodSync(file, 0o600);
    expect((await lookAtFiles({ tokenAuthFile: file })).findings).toEqual([]);
  });

  it('that is missing is left to whoever reads it', async () => {
    expect((await lookAtFiles({ tokenAuthFile: `${directory.path}/missing` })).findings).toEqual([]);
  });
});
