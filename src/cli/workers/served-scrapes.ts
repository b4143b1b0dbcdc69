import type { Exposition } from '../../exposition/exposition.js';
import type { PrimaryMessage, WorkerMessage } from './link-messages.js';

/** Chunks that may be on their way at once. */
const windowChunks = 4;
/** Scrapes of one worker at once; it asks for few, since it shares renderings. */
const maxScrapes = 100;

/** The scrapes that one worker asks the primary for. */
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

  /** Resolves when one more chunk may be sent, or none is wanted any more. */
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
