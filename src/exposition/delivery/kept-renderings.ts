import { type RenderedExposition, isStreamed } from '../exposition.js';

interface Kept {
  readonly rendered: RenderedExposition;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

/** A scraper may ask in as many ways as he likes; keys cost memory, too, and so do bodies without a byte. */
const maxRenderings = 1024;

/** Finished renderings, to be served again for a while; the oldest go first where there are too many, or too many bytes. */
export class KeptRenderings {
  readonly #freshnessMs: number;
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(freshnessMs: number, maxBytes: number) {
    this.#freshnessMs = freshnessMs;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#kept.size;
  }

  /** With a body of its own. */
  get(key: string): RenderedExposition | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const { rendered, chunks, bytes } = kept;
    return isStreamed(rendered) ? { ...rendered, contentLength: bytes, body: bodyOf(chunks) } : rendered;
  }

  put(key: string, rendered: RenderedExposition, chunks: readonly Uint8Array[]): void {
    this.#forget(key);
    const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (bytes > this.#maxBytes || this.#freshnessMs === 0) return;
    for (const [oldest] of this.#kept) {
      if (this.#bytes + bytes <= this.#maxBytes && this.#kept.size < maxRenderings) break;
      this.#forget(oldest);
    }
    const timer = setTimeout(() => {
      this.#forget(key);
    }, this.#freshnessMs);
    timer.unref();
    this.#kept.set(key, { ...keepable(rendered, chunks), bytes, timer });
    this.#bytes += bytes;
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    clearTimeout(kept.timer);
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}

/** With bytes that hold no more memory than they are: a compressor hands out short pieces of long buffers. */
function keepable(
  rendered: RenderedExposition,
  chunks: readonly Uint8Array[],
): Pick<Kept, 'rendered' | 'chunks'> {
  const alone = chunks.map((chunk) =>
    2 * chunk.byteLength < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk,
  );
  const [body] = alone;
  return {
    rendered: isStreamed(rendered) || body === undefined ? rendered : { ...rendered, body },
    chunks: alone,
  };
}

async function* bodyOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}
