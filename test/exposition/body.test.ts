import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { abandon, ChunkWriter, wholeOrStreamed } from '../../src/exposition/body.js';
import { textOf } from './relabelling/filtering.js';

const contentType = 'text/plain';

describe('a body that will not be read', () => {
  it('is closed, though it is a stream whose iterator was never begun', async () => {
    const body = new Readable({ read: () => undefined });
    await abandon({ contentType, body });
    expect(body.destroyed).toBe(true);
  });
});

describe('a rendered exposition made of chunks', () => {
  async function* made(
    chunks: readonly string[],
    last?: string,
  ): AsyncGenerator<Buffer, Buffer | undefined, undefined> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
    return last === undefined ? undefined : Buffer.from(last);
  }

  it.each<[chunks: string[], last: string | undefined, heldBytes: number | undefined, isWhole: boolean]>([
    [[], 'a', undefined, true],
    [[], undefined, undefined, true],
    [['a'], 'b', undefined, false],
    [['a', 'b'], '', undefined, false],
    [['a', 'b'], undefined, 3, true],
    [['a', 'b', 'c', 'd'], undefined, 3, false],
  ])('of %j and then %j, with %j bytes held, is whole: %j', async (chunks, last, heldBytes, isWhole) => {
    const rendered = await wholeOrStreamed(contentType, made(chunks, last), heldBytes);
    expect(rendered.body instanceof Uint8Array).toBe(isWhole);
    expect(await textOf(rendered)).toBe([...chunks, last].join(''));
  });

  it('closes its source where it is never read', async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator<Buffer, undefined, undefined> {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('a'));
      } finally {
        isClosed = true;
      }
    }
    await abandon(await wholeOrStreamed(contentType, source()));
    expect(isClosed).toBe(true);
  });
});

describe('a chunk writer', () => {
  it('keeps positions while full chunks are taken, and ends with its last chunk', () => {
    const writer = new ChunkWriter();
    writer.write(Buffer.alloc(100_000, 'a'));
    const full = writer.takeFull();
    const start = writer.end;
    writer.writeText('ü'.repeat(40_000));
    writer.write(Buffer.alloc(60_000, 'b'));
    const between = Buffer.concat([...writer.between(start + 2, writer.end)]).toString();
    expect(between).toBe('ü'.repeat(39_999) + 'b'.repeat(60_000));
    const rest = writer.rest();
    const chunks = [...full];
    let step = rest.next();
    for (; step.done !== true; step = rest.next()) chunks.push(step.value);
    const written = Buffer.concat([...chunks, step.value]);
    expect(written.toString()).toBe('a'.repeat(100_000) + 'ü'.repeat(40_000) + 'b'.repeat(60_000));
  });
});
