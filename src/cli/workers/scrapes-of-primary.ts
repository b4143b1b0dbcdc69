import type { Exposition, RenderedExposition, ScrapeRequest } from '../../exposition/exposition.js';
import type { PrimaryMessage, WorkerMessage } from './link-messages.js';

/** The primary did not render an exposition, or broke off in the middle. */
export class PrimaryScrapeError extends Error {
  override readonly name = 'PrimaryScrapeError';
  readonly code = 'ERR_PRIMARY_SCRAPE';
}

type ScrapeMessage = Extract<PrimaryMessage, { readonly scrape: number }>;

/** How long the primary may take to begin (ms): longer than it waits for a worker that hangs. */
const beginningMs = 30_000;

/** What a worker asks the primary for: expositions of all workers together. */
export class ScrapesOfPrimary {
  readonly #send: (message: WorkerMessage) => void;
  readonly #inboxes = new Map<number, Inbox>();
  #last = 0;

  constructor(send: (message: WorkerMessage) => void) {
    this.#send = send;
  }

  receive(message: ScrapeMessage): void {
    this.#inboxes.get(message.scrape)?.receive(message);
  }

  /** @param contentType of the format that a scraper asks for; the primary agrees. */
  exposition(group: string, contentType: Exposition['contentType']): Exposition {
    return { contentType, render: (request) => this.#render(group, request) };
  }

  async #render(
    group: string,
    { accept, timeoutSeconds, signal }: ScrapeRequest,
  ): Promise<RenderedExposition> {
    this.#last += 1;
    const scrape = this.#last;
    const inbox = new Inbox();
    this.#inboxes.set(scrape, inbox);
    const isAbandoned = (): void => {
      inbox.fail();
    };
    const leave = (): void => {
      signal?.removeEventListener('abort', isAbandoned);
      this.#inboxes.delete(scrape);
      if (!inbox.isOver) this.#send({ kind: 'scrape-abandoned', scrape });
    };
    signal?.addEventListener('abort', isAbandoned);
    this.#send({ kind: 'scrape', scrape, group, accept, timeoutSeconds });
    const deadline = setTimeout(isAbandoned, beginningMs);
    try {
      const head = await inbox.next();
      if (head?.kind !== 'scrape-head') throw new PrimaryScrapeError('the primary rendered nothing');
      const { contentType, contentLength } = head;
      const body = chunksOf(inbox, leave, () => {
        this.#send({ kind: 'scrape-taken', scrape });
      });
      if (contentLength === undefined) return { contentType, body };
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      return { contentType, body: Buffer.concat(chunks) };
    } catch (error) {
      leave();
      throw error;
    } finally {
      clearTimeout(deadline);
    }
  }
}

/** No generator: one that was never begun would leave nothing behind when it is given up. */
function chunksOf(inbox: Inbox, leave: () => void, taken: () => void): AsyncIterableIterator<Uint8Array> {
  const over = { done: true, value: undefined } as const;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const message = await inbox.next();
      if (message?.kind === 'scrape-chunk') {
        taken();
        return { done: false, value: message.bytes };
      }
      leave();
      if (message?.kind === 'scrape-end') return over;
      throw new PrimaryScrapeError('the primary broke off');
    },
    return() {
      leave();
      return Promise.resolve(over);
    },
  };
}

/** What has come of one scrape, in order. */
class Inbox {
  readonly #messages: ScrapeMessage[] = [];
  #wake: () => void = () => undefined;
  #hasFailed = false;
  #isOver = false;

  /** Whether the primary has nothing more to say. */
  get isOver(): boolean {
    return this.#isOver;
  }

  receive(message: ScrapeMessage): void {
    this.#isOver ||= message.kind === 'scrape-end' || message.kind === 'scrape-failed';
    this.#messages.push(message);
    this.#wake();
  }

  fail(): void {
    this.#hasFailed = true;
    this.#wake();
  }

  /** Undefined where it has failed. */
  async next(): Promise<ScrapeMessage | undefined> {
    while (this.#messages.length === 0 && !this.#hasFailed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#hasFailed ? undefined : this.#messages.shift();
  }
}
