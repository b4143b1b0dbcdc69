import type { Exposition, ScrapeRequest, StreamedExposition } from '../../../src/exposition/exposition.js';

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

interface Asked {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: Error) => void;
}

/** A body that gives what it is told to, and says how often it was closed. */
export class ScriptedBody implements AsyncIterableIterator<Uint8Array> {
  closed = 0;
  ended = false;
  asked = 0;
  #waiting: Asked | undefined;
  readonly #script: (Uint8Array | Error | 'end')[] = [];

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Given as soon as it is asked for. */
  script(...steps: readonly (Uint8Array | Error | 'end')[]): void {
    this.#script.push(...steps);
    this.#give();
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.asked += 1;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#give();
    });
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.closed += 1;
    this.ended = true;
    this.#waiting?.resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  #give(): void {
    const [step] = this.#script;
    const waiting = this.#waiting;
    if (step === undefined || waiting === undefined) return;
    this.#script.shift();
    this.#waiting = undefined;
    if (step instanceof Uint8Array) {
      waiting.resolve({ done: false, value: step });
      return;
    }
    this.ended = true;
    if (step === 'end') waiting.resolve({ done: true, value: undefined });
    else waiting.reject(step);
  }
}

export interface Rendering {
  readonly request: ScrapeRequest;
  readonly body: ScriptedBody;
  /** Lets the body begin. */
  readonly begin: (head?: Partial<StreamedExposition>) => void;
  readonly whole: (body: string | Uint8Array) => void;
  readonly fail: (error: Error) => void;
}

/** An exposition whose renderings wait for what they are told. */
export function scriptedExposition(): Exposition & { readonly renderings: Rendering[] } {
  const renderings: Rendering[] = [];
  return {
    renderings,
    contentType: ({ accept }) => `${contentType}; asked=${accept}`,
    render: (request) =>
      new Promise((resolve, reject) => {
        const body = new ScriptedBody();
        renderings.push({
          request,
          body,
          begin: (head = {}) => {
            resolve({ contentType, ...head, body });
          },
          whole: (bytes) => {
            resolve({ contentType, body: bytes });
          },
          fail: reject,
        });
      }),
  };
}

/** The one at this place, counted from the first. */
export function renderingOf(
  { renderings }: { readonly renderings: readonly Rendering[] },
  at = 0,
): Rendering {
  const rendering = renderings[at];
  if (rendering === undefined) throw new RangeError(`there is no rendering ${at}`);
  return rendering;
}

/** Lets everything happen that waits for nothing else. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
