import { abandon } from '../body.js';
import {
  isStreamed,
  type RenderedExposition,
  type ScrapeRequest,
  type StreamedExposition,
} from '../exposition.js';
import { giveInTurns } from './body-reader.js';
import { SharedBody, type SharingBounds } from './shared-body.js';

interface SharedRenderingOptions extends SharingBounds {
  /** Called once, when the rendering cannot be joined any longer: it has ended, failed or lost its last scraper. */
  readonly onOver: () => void;
  /** Called with a complete rendering that can be served again. */
  readonly onFinished: (rendered: RenderedExposition, chunks: readonly Uint8Array[]) => void;
}

/** The signal is read only if it is needed: some requests make it then. */
type Leaving = Pick<ScrapeRequest, 'signal'>;

interface Member {
  readonly request: Leaving;
  readonly resolve: (rendered: RenderedExposition) => void;
  readonly reject: (error: unknown) => void;
  stopListening?: () => void;
}

/** After how long a rendering watches for scrapers that leave (ms): most renderings begin sooner. */
const listeningDelayMs = 10;

/** How long a rendering paced by its readers can be joined (ms): later, its data is too old. */
const maxReadingAgeMs = 10_000;

/** One rendering for all scrapes that join it. It is aborted when the last of them leaves. */
export class SharedRendering {
  readonly #abort = new AbortController();
  /** Scrapes that wait for it to begin. */
  readonly #members = new Set<Member>();
  #streaming:
    { readonly rendered: StreamedExposition; readonly body: SharedBody; readonly since: number } | undefined;
  #delay: NodeJS.Timeout | undefined;
  #isListening = false;
  #isOver = false;

  /** Starts the rendering; `render` must not throw. Join at once: nothing else keeps it running. */
  constructor(
    render: (signal: AbortSignal) => Promise<RenderedExposition>,
    private readonly options: SharedRenderingOptions,
  ) {
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

  /**
   * Only while it is joinable. Rejects with the signal's reason if that fires before the rendering begins; that is noticed
   * after 10 ms.
   */
  join(request: Leaving): Promise<RenderedExposition> {
    if (this.#streaming !== undefined) {
      const { rendered, body } = this.#streaming;
      return Promise.resolve({ ...rendered, body: body.enter(request.signal) });
    }
    return new Promise((resolve, reject) => {
      const member: Member = { request, resolve, reject };
      this.#members.add(member);
      if (this.#isListening) this.#listen(member);
      else {
        this.#delay ??= setTimeout(() => {
          this.#isListening = true;
          for (const each of [...this.#members]) this.#listen(each);
        }, listeningDelayMs);
      }
    });
  }

  #listen(member: Member): void {
    const { signal } = member.request;
    if (signal === undefined) return;
    const leave = (): void => {
      this.#members.delete(member);
      member.reject(signal.reason);
      if (this.#members.size > 0 || this.#isOver) return;
      this.#end();
      this.#abort.abort();
    };
    if (signal.aborted) {
      leave();
      return;
    }
    signal.addEventListener('abort', leave, { once: true });
    member.stopListening = () => {
      signal.removeEventListener('abort', leave);
    };
  }

  #begun(rendered: RenderedExposition): void {
    if (this.#isOver) {
      void abandon(rendered);
      return;
    }
    const { windowBytes, onFinished } = this.options;
    if (!isStreamed(rendered)) {
      const bytes = typeof rendered.body === 'string' ? Buffer.from(rendered.body) : rendered.body;
      const whole = { ...rendered, body: bytes };
      this.#end();
      onFinished(whole, [bytes]);
      void giveInTurns(this.#takeMembers(), bytes.byteLength, ({ resolve }) => {
        resolve(whole);
        return true;
      });
      return;
    }
    const body = new SharedBody(rendered.body, this.options, (result, chunks) => {
      this.#end();
      if (result === 'left') this.#abort.abort();
      else if (chunks !== undefined) onFinished(rendered, chunks);
    });
    this.#streaming = { rendered, body, since: performance.now() };
    // All enter before any of them reads.
    for (const { request, resolve } of this.#takeMembers()) {
      resolve({ ...rendered, body: body.enter(request.signal) });
    }
    if ((rendered.contentLength ?? 0) > windowBytes) body.closeToOthers();
  }

  #takeMembers(): readonly Member[] {
    clearTimeout(this.#delay);
    const members = [...this.#members];
    for (const { stopListening } of members) stopListening?.();
    this.#members.clear();
    return members;
  }

  #end(): void {
    clearTimeout(this.#delay);
    this.#isOver = true;
    this.options.onOver();
  }
}
