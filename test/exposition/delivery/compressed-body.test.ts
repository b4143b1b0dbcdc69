import { once } from 'node:events';
import { Readable, type Transform } from 'node:stream';
import { createGzip, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressedBody } from '../../../src/exposition/delivery/encoded-exposition.js';

/** Compressors that remember being made. */
function compressors(): { readonly made: Transform[]; readonly open: () => Transform } {
  const made: Transform[] = [];
  const open = (): Transform => {
    const compressor = createGzip({ level: 1 });
    made.push(compressor);
    return compressor;
  };
  return { made, open };
}

/** Bytes without end that gzip cannot make smaller; says how many were taken, and whether it was closed. */
class Noise implements AsyncIterableIterator<Uint8Array> {
  taken = 0;
  closed = 0;
  #seed = 1;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const chunk = Buffer.allocUnsafe(16 * 1024);
    for (let at = 0; at < chunk.length; at += 4) {
      this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
      chunk.writeUInt32LE(this.#seed, at);
    }
    this.taken += 1;
    return Promise.resolve({ done: false, value: chunk });
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.closed += 1;
    return Promise.resolve({ done: true, value: undefined });
  }
}

async function* bodyOf(chunks: Iterable<Uint8Array>, fault?: Error): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
  if (fault !== undefined) throw fault;
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a compressed body', () => {
  it('is the body again, however it was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 30 }), async (chunks) => {
        const { made, open } = compressors();
        const compressed = await bytesOf(compressedBody(bodyOf(chunks), open));
        expect(gunzipSync(compressed).equals(Buffer.concat(chunks))).toBe(true);
        expect(made.map(({ destroyed }) => destroyed)).toEqual([true]);
      }),
      { numRuns: 60 },
    );
  });

  it('takes no more than it can hold while nobody reads on', async () => {
    const { open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    for (let read = 0; read < 20; read += 1) await body.next();
    let before = -1;
    await expect
      .poll(() => {
        const isStill = before === noise.taken;
        before = noise.taken;
        return isStill;
      })
      .toBe(true);
    expect(noise.taken).toBeLessThan(40);
    await body.return?.();
  });

  it('frees its compressor and closes its source when it is abandoned, once', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    await body.next();
    const closed = made.map((compressor) => once(compressor, 'close'));
    await body.return?.();
    await body.return?.();
    await Promise.all(closed);
    expect([noise.closed, made.length]).toEqual([1, 1]);
    expect(await body.next()).toEqual({ done: true, value: undefined });
    const { taken } = noise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(noise.taken).toBe(taken);
  });

  it('can be abandoned while it is waited for', async () => {
    const { made, open } = compressors();
    let closed = 0;
    const silent: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => silent,
      next: () => new Promise(() => undefined),
      return: () => Promise.resolve({ done: true, value: (closed += 1) }),
    };
    const body = compressedBody(silent, open);
    const waiting = body.next();
    await body.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect([closed, made[0]?.destroyed]).toEqual([1, true]);
  });

  it('makes no compressor where nobody reads it', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    await compressedBody(noise, open).return?.();
    expect([made.length, noise.closed, noise.taken]).toEqual([0, 1, 0]);
  });

  it('fails with its source', async () => {
    const { made, open } = compressors();
    const body = compressedBody(bodyOf([Buffer.alloc(100)], new RangeError('broken')), open);
    await expect(bytesOf(body)).rejects.toThrow('broken');
    expect(made[0]?.destroyed).toBe(true);
    expect(await body.next()).toEqual({ done: true, value: undefined });
  });

  it('fails where its source yields what is no bytes, and closes it', async () => {
    const { open } = compressors();
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve({} as never);
      } finally {
        isClosed = true;
      }
    }
    await expect(bytesOf(compressedBody(source(), open))).rejects.toThrow(TypeError);
    expect(isClosed).toBe(true);
  });

  it('closes its source where the compressor fails', async () => {
    const { made, open } = compressors();
    const noise = new Noise();
    const body = compressedBody(noise, open);
    await body.next();
    made[0]?.destroy(new RangeError('out of memory'));
    await expect(bytesOf(body)).rejects.toThrow('out of memory');
    expect(noise.closed).toBe(1);
  });

  it('fails where the compressor cannot be made', async () => {
    const noise = new Noise();
    const body = compressedBody(noise, () => {
      throw new RangeError('out of memory');
    });
    await expect(body.next()).rejects.toThrow('out of memory');
    expect(noise.closed).toBe(1);
  });

  it.each([
    ['before it is read', 0],
    ['while its stream is waited for', 1],
  ])('closes a stream at once where it is abandoned %s', async (_when, reads) => {
    const stream = new Readable({ read: () => undefined });
    const body = compressedBody(stream, compressors().open);
    const reading = Array.from({ length: reads }, () => body.next());
    await body.return?.();
    expect(stream.destroyed).toBe(true);
    await expect(Promise.all(reading)).resolves.toMatchObject(reading.map(() => ({ done: true })));
  });
});
