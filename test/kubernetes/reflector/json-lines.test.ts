import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonLines } from '../../../src/kubernetes/reflector/json-lines.js';
import { inChunks } from './chunks.js';
import { MalformedError } from '../../../src/kubernetes/kubernetes-errors.js';

function split(chunks: readonly Buffer[], maxBytes?: number): readonly string[] {
  const splitter = new JsonLines(maxBytes);
  const lines: string[] = [];
  for (const chunk of chunks) {
    splitter.write(chunk);
    for (let line = splitter.next(); line !== undefined; line = splitter.next()) lines.push(line);
  }
  splitter.end();
  return lines;
}

describe('lines in chunks', () => {
  it('are what stands between line ends, wherever they are cut', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(20), { maxLength: 20 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        expect(split(inChunks(bytes, cuts))).toEqual(lines.filter((text) => text !== ''));
      }),
      { numRuns: 500 },
    );
  });

  it('of many bytes each, one by one, are put together again', () => {
    const text = '{"name":"größer 🎉"}';
    const bytes = Buffer.from(`${text}\n${text}\n`);
    expect(split(inChunks(bytes, Array<number>(bytes.length).fill(1)))).toEqual([text, text]);
  });

  it('are malformed where the last has no end', () => {
    expect(() => split([Buffer.from('{"a":1}\n{"b"')])).toThrow('ends in the middle of a line');
  });

  it('are malformed where one is not UTF-8', () => {
    expect(() => split([Buffer.from([0x61, 0xff, 0x0a])])).toThrow(MalformedError);
    expect(() => split([Buffer.from([0xf0, 0x9f]), Buffer.from([0x0a])])).toThrow('a line is not UTF-8');
  });

  it('are bounded, in one chunk or in many, also before they end', () => {
    const bytes = Buffer.from(`${'x'.repeat(100)}\n`);
    expect(split([bytes], 100)).toHaveLength(1);
    expect(() => split([bytes], 99)).toThrow('a line is larger than 99 bytes');
    expect(() => split(inChunks(bytes.subarray(0, 100), Array<number>(50).fill(2)), 99)).toThrow(
      MalformedError,
    );
  });
});
