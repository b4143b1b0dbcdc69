import { CodedError } from '../../coded-error.js';
import { bodyOf, endOfBody } from '../../exposition/body.js';
import type { Exposition, RenderedExposition, ScrapeRequest } from '../../exposition/exposition.js';
import type { PrimaryMessage, WorkerMessage } from './link-messages.js';

/** The primary did not render an exposition, or broke off in the middle. */
export class PrimaryScrapeError extends CodedError {
  override readonly name = 'PrimaryScrapeError';
  readonly code = 'ERR_PRIMARY_SCRAPE';
}

type ScrapeMessage = Extract<PrimaryMessage, { readonly scrape: number }>;

/** How long the primary may take to start an answer (ms): longer than it waits for a hanging worker. */
const beginningMs = 30_000;

/** Requests expositions of all workers from the primary. */
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

  /** @param contentType of the requested format; the primary computes the same. */
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
      const body = bodyIn(inbox, leave, () => {
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

function bodyIn(inbox: Inbox, leave: () => void, taken: () => void): AsyncIterableIterator<Uint8Array> {
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const message = await inbox.next();
    if (message?.kind === 'scrape-chunk') {
      taken();
      return { done: false, value: message.bytes };
    }
    leave();
    if (message?.kind === 'scrape-end') return endOfBody;
    throw new PrimaryScrapeError('the primary broke off');
  };
  return bodyOf(next, () => {
    leave();
    return Promise.resolve();
  });
}

/** The received messages of one scrape, in order. */
class Inbox {
  readonly #messages: ScrapeMessage[] = [];
  #wake: () => void = () => undefined;
  #hasFailed = false;
  #isOver = false;

  /** Whether the primary will send nothing more. */
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

const windowChunks = 4;
/** Concurrent scrapes of one worker; it needs few, since it shares renderings. */
const maxScrapes = 100;

/** The primary's answers to the scrapes of one worker. */
export class ServedScrapes {
  readonly #expositions: ReadonlyMap<string, Exposition>;
  readonly #send: (message: PrimaryMessage) => void;
  readonly #underWay = new Map<number, ScrapeUnderWay>();

  constructor(expositions: ReadonlyMap<string, Exposition>, send: (message: PrimaryMessage) => void) {
    this.#expositions = expositions;
    this.#send = send;
  }

  begin({ scrape, group, accept, timeoutSeconds }: WorkerMessage & { kind: 'scrape' }): void {
    const exposition = this.#expositions.get(group);
    if (exposition === undefined || this.#underWay.size >= maxScrapes) {
      this.#send({ kind: 'scrape-failed', scrape });
      return;
    }
    const underWay = new ScrapeUnderWay();
    this.#underWay.set(scrape, underWay);
    this.#serve(scrape, underWay, exposition, accept, timeoutSeconds)
      .catch(() => {
        this.#send({ kind: 'scrape-failed', scrape });
      })
      .finally(() => this.#underWay.delete(scrape));
  }

  taken(scrape: number): void {
    this.#underWay.get(scrape)?.taken();
  }

  abandon(scrape: number): void {
    this.#underWay.get(scrape)?.end();
  }

  close(): void {
    for (const underWay of this.#underWay.values()) underWay.end();
  }

  async #serve(
    scrape: number,
    underWay: ScrapeUnderWay,
    exposition: Exposition,
    accept: string,
    timeoutSeconds: number | undefined,
  ): Promise<void> {
    const { signal } = underWay;
    const { contentType, body } = await exposition.render({ accept, timeoutSeconds, signal });
    if (typeof body === 'string' || body instanceof Uint8Array) {
      const bytes = Buffer.from(body);
      this.#send({ kind: 'scrape-head', scrape, contentType, contentLength: bytes.byteLength });
      this.#send({ kind: 'scrape-chunk', scrape, bytes });
    } else {
      this.#send({ kind: 'scrape-head', scrape, contentType });
      for await (const bytes of body) {
        await underWay.turn();
        if (signal.aborted) return;
        this.#send({ kind: 'scrape-chunk', scrape, bytes });
      }
    }
    this.#send({ kind: 'scrape-end', scrape });
  }
}

class ScrapeUnderWay {
  readonly #abort = new AbortController();
  #free = windowChunks;
  #wake: () => void = () => undefined;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when another chunk may be sent, or none is wanted. */
  async turn(): Promise<void> {
    while (this.#free === 0 && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#free -= 1;
  }

  taken(): void {
    this.#free += 1;
    this.#wake();
  }

  end(): void {
    this.#abort.abort();
    this.#wake();
  }
}
