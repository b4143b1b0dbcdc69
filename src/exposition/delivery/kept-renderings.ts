import { isStreamed, type RenderedExposition } from '../exposition.js';

interface Kept {
  readonly rendered: RenderedExposition;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

/** Scrapers can ask in any number of ways, and keys cost memory even where bodies are empty. */
const maxRenderings = 1024;

/** Finished renderings, to be served again for a while. Where they are too many or too large, the oldest go first. */
export class KeptRenderings {
  readonly #freshnessMs: number;
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(freshnessMs: number, maxBytes: number) {
    this.#freshnessMs = freshnessMs;
    this.#maxBytes = maxBytes;
  }

  /** A streamed rendering gets a new body each time. */
  get(key: string): RenderedExposition | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const { rendered, chunks, bytes } = kept;
    return isStreamed(rendered) ? { ...rendered, contentLength: bytes, body: streamOf(chunks) } : rendered;
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
    const compact = chunks.map(compacted);
    const [body] = compact;
    const isWhole = !isStreamed(rendered) && body !== undefined;
    this.#kept.set(key, {
      rendered: isWhole ? { ...rendered, body } : rendered,
      chunks: compact,
      bytes,
      timer,
    });
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

/** Compressors hand out short pieces of long buffers: to keep a piece must not keep its whole buffer. */
function compacted(chunk: Uint8Array): Uint8Array {
  return 2 * chunk.byteLength < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk;
}

async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}
