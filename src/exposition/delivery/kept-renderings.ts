import { isStreamed, type RenderedExposition } from '../exposition.js';

interface Kept {
  readonly rendered: RenderedExposition;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

/** The most renderings kept: scrapers can vary requests at will, and even empty bodies cost memory. */
const maxRenderings = 1024;

/** Finished renderings, served again for a while. If they are too many or too large, the oldest are dropped first. */
export class KeptRenderings {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(
    private readonly freshnessMs: number,
    private readonly maxBytes: number,
  ) {}

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
    if (bytes > this.maxBytes || this.freshnessMs === 0) return;
    for (const [oldest] of this.#kept) {
      if (this.#bytes + bytes <= this.maxBytes && this.#kept.size < maxRenderings) break;
      this.#forget(oldest);
    }
    const timer = setTimeout(() => {
      this.#forget(key);
    }, this.freshnessMs);
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

/** Compressors return short pieces of long buffers; keeping a piece must not keep the whole buffer. */
function compacted(chunk: Uint8Array): Uint8Array {
  return 2 * chunk.byteLength < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk;
}

async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}
