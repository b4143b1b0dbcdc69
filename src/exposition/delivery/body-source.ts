import { Readable } from 'node:stream';
import type { StreamedExposition } from '../exposition.js';

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** A body that is read by one, and closed exactly once unless it ended by itself. */
export class BodySource {
  readonly #body: StreamedExposition['body'];
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #isOver = false;

  constructor(body: StreamedExposition['body']) {
    this.#body = body;
  }

  /** @throws what the body fails with, and TypeError where it yields what is no bytes; it is closed then. */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) return over;
    this.#iterator ??= this.#body[Symbol.asyncIterator]();
    let next: IteratorResult<Uint8Array, unknown>;
    try {
      next = await this.#iterator.next();
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    if (next.done === true) {
      this.#isOver = true;
      return over;
    }
    if ((next.value as unknown) instanceof Uint8Array) return next;
    await this.close();
    throw new TypeError('an exposition must yield bytes');
  }

  /** Also while a chunk is waited for. Resolves when the body says that it is closed. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    // The iterator of a stream would wait for its next chunk first, and where it was never begun, close nothing.
    if (this.#body instanceof Readable) this.#body.destroy();
    else {
      this.#iterator ??= this.#body[Symbol.asyncIterator]();
      await this.#iterator.return?.();
    }
  }
}

/** Ends a rendered body that nobody will read; whatever it makes of it. */
export function abandonRendered({ body }: { readonly body: StreamedExposition['body'] }): void {
  new BodySource(body).close().catch(() => undefined);
}
