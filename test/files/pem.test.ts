import { describe, expect, it } from 'vitest';
import { certificateBlocks, pemBlocks } from '../../src/files/pem.js';

const begin = '-----BEGIN CERTIFICATE-----';
const end = '-----END CERTIFICATE-----';

describe('certificateBlocks', () => {
  it.each([
    [
      'text and blocks of other kinds',
      `a\n-----BEGIN X-----b-----END X-----\n${begin}c${end}d`,
      [['c', true]],
    ],
    [
      'a block without its end',
      `${begin}a${begin}b${end}${begin}c`,
      [
        ['a', false],
        ['b', true],
        ['c', false],
      ],
    ],
    ['a body with a dash in it', `${begin}a-b${end}`, [['a', false]]],
    ['an end of another kind', `${begin}a-----END X-----`, [['a', false]]],
    ['an end alone', end, []],
  ])('passes over or tells %s', (_, text, blocks) => {
    expect(certificateBlocks(text).map(({ base64, isComplete }) => [base64, isComplete])).toEqual(blocks);
  });

  it('gives each block as it stands in the text', () => {
    expect(certificateBlocks(`a${begin}\nb\n${end}\n${begin}c`).map(({ pem }) => pem)).toEqual([
      `${begin}\nb\n${end}`,
      `${begin}c`,
    ]);
  });
});

describe('PEM blocks', () => {
  it.each([begin, '-----BEGIN ', '-', '-a', `${begin}-a`, '-----BEGIN A-----', '-----END A', begin + end])(
    'are found in linear time in a megabyte of %s',
    (piece) => {
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      const started = performance.now();
      certificateBlocks(text);
      Array.from(pemBlocks(text));
      expect(performance.now() - started).toBeLessThan(5000);
    },
  );
});
