import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { BodySource } from './body-source.js';

/**
 * A body as it comes out of a compressor, made no faster than it is taken. Where the body fails, this one does; where
 * this one is abandoned, the compressor's memory is freed and the body is closed at once, even while it is waited for.
 */
export class CompressedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource;
  readonly #open: () => Transform;
  #opened: { readonly compressor: Transform; readonly chunks: AsyncIterator<Buffer> } | undefined;
  #isClosed = false;

  /** @param open makes the compressor, at the first read: nothing is held for a body that nobody reads. */
  constructor(body: AsyncIterable<Uint8Array>, open: () => Transform) {
    this.#source = new BodySource(body);
    this.#open = open;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isClosed) return { done: true, value: undefined };
    try {
      const step = await this.#chunks().next();
      if (step.done !== true) return { done: false, value: step.value };
      // Nothing is left to close: the body was read to its end.
      this.#isClosed = true;
    } catch (error) {
      if (!this.#isClosed) {
        await this.return().catch(() => undefined);
        throw error;
      }
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#opened?.compressor.destroy();
      await this.#source.close();
    }
    return { done: true, value: undefined };
  }

  #chunks(): AsyncIterator<Buffer> {
    if (this.#opened === undefined) {
      const compressor = this.#open();
      const chunks = (compressor as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      this.#opened = { compressor, chunks };
      this.#feed(compressor).catch((error: unknown) => {
        compressor.destroy(error instanceof Error ? error : new Error('the body failed'));
      });
    }
    return this.#opened.chunks;
  }

  async #feed(compressor: Transform): Promise<void> {
    for (;;) {
      const step = await this.#source.next();
      if (compressor.destroyed) return;
      if (step.done === true) break;
      if (!compressor.write(step.value)) await once(compressor, 'drain');
    }
    compressor.end();
  }
}
