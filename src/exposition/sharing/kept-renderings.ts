import type { RenderedExposition } from '../exposition.js';
import { isStreamed } from './rendered-body.js';

interface Kept {
  readonly rendered: RenderedExposition;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

/** Finished renderings, to be served again for a while; the oldest go first where there are too many bytes. */
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
      if (this.#bytes + bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    const timer = setTimeout(() => {
      this.#forget(key);
    }, this.#freshnessMs);
    timer.unref();
    this.#kept.set(key, { rendered, chunks, bytes, timer });
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

async function* bodyOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}
