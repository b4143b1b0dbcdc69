import { abandon } from '../body.js';
import { isStreamed, type RenderedExposition, type StreamedExposition } from '../exposition.js';
import { SharedBody } from './shared-body.js';

interface SharedRenderingOptions {
  readonly windowBytes: number;
  readonly laggardTimeoutMs: number;
  /** Called once, when the rendering cannot be joined any longer: it has ended, failed or lost its last scraper. */
  readonly onOver: () => void;
  /** Called with a complete rendering that can be served again. */
  readonly onFinished: (rendered: RenderedExposition, chunks: readonly Uint8Array[]) => void;
}

interface Member {
  readonly signal: AbortSignal | undefined;
  readonly resolve: (rendered: RenderedExposition) => void;
  readonly reject: (error: unknown) => void;
}

/** How long a rendering paced by its readers can be joined (ms): later, its data is too old. */
const maxReadingAgeMs = 10_000;

/** One rendering for all scrapes that join it. It is aborted when the last of them leaves. */
export class SharedRendering {
  readonly #options: SharedRenderingOptions;
  readonly #abort = new AbortController();
  /** Scrapes that wait for it to begin. */
  readonly #members = new Set<Member>();
  #streaming:
    { readonly rendered: StreamedExposition; readonly body: SharedBody; readonly since: number } | undefined;
  #isOver = false;

  /** Starts the rendering; `render` must not throw. Join at once: nothing else keeps it running. */
  constructor(render: (signal: AbortSignal) => Promise<RenderedExposition>, options: SharedRenderingOptions) {
    this.#options = options;
    render(this.#abort.signal)
      .then((rendered) => {
        this.#begun(rendered);
      })
      // Also if the result is not an exposition.
      .catch((error: unknown) => {
        if (this.#isOver) return;
        this.#end();
        for (const { reject } of this.#takeMembers()) reject(error);
      });
  }

  get isJoinable(): boolean {
    if (this.#isOver) return false;
    if (this.#streaming === undefined) return true;
    const { body, since } = this.#streaming;
    return body.isJoinable && performance.now() - since < maxReadingAgeMs;
  }

  /** Only while it is joinable. Rejects with the signal's reason if that fires before the rendering begins. */
  join(signal: AbortSignal | undefined): Promise<RenderedExposition> {
    if (this.#streaming !== undefined) {
      const { rendered, body } = this.#streaming;
      return Promise.resolve({ ...rendered, body: body.enter(signal) });
    }
    return new Promise((resolve, reject) => {
      let isListening = false;
      const leave = (): void => {
        this.#members.delete(member);
        reject(signal?.reason as Error);
        if (this.#members.size > 0 || this.#isOver) return;
        this.#end();
        this.#abort.abort();
      };
      const settled = <Result>(settle: (result: Result) => void) => {
        return (result: Result): void => {
          if (isListening) signal?.removeEventListener('abort', leave);
          settle(result);
        };
      };
      const member: Member = { signal, resolve: settled(resolve), reject: settled(reject) };
      this.#members.add(member);
      if (signal === undefined) return;
      // Most renderings begin within this turn of the event loop, which costs less than to listen.
      setImmediate(() => {
        if (!this.#members.has(member)) return;
        if (signal.aborted) leave();
        else signal.addEventListener('abort', leave);
        isListening = true;
      });
    });
  }

  #begun(rendered: RenderedExposition): void {
    if (this.#isOver) {
      void abandon(rendered);
      return;
    }
    const { windowBytes, onFinished } = this.#options;
    if (!isStreamed(rendered)) {
      const bytes = typeof rendered.body === 'string' ? Buffer.from(rendered.body) : rendered.body;
      const whole = { ...rendered, body: bytes };
      this.#end();
      onFinished(whole, [bytes]);
      for (const { resolve } of this.#takeMembers()) resolve(whole);
      return;
    }
    const body = new SharedBody(rendered.body, {
      ...this.#options,
      onOver: (result, chunks) => {
        this.#end();
        if (result === 'left') this.#abort.abort();
        else if (chunks !== undefined) onFinished(rendered, chunks);
      },
    });
    this.#streaming = { rendered, body, since: performance.now() };
    // All enter before any of them reads.
    for (const { signal, resolve } of this.#takeMembers()) {
      resolve({ ...rendered, body: body.enter(signal) });
    }
    if ((rendered.contentLength ?? 0) > windowBytes) body.closeToOthers();
  }

  #takeMembers(): readonly Member[] {
    const members = [...this.#members];
    this.#members.clear();
    return members;
  }

  #end(): void {
    this.#isOver = true;
    this.#options.onOver();
  }
}
