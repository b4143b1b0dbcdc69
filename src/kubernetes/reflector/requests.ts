import type { ApiClient } from '../api-client.js';
import { TimeSlice } from '../../time-slice.js';
import { listFirst, listPages, type First, type List, type ListOptions } from './list-pages.js';
import type { ReflectorTiming } from './reflector-timing.js';
import type { StreamedAnswer } from './streamed-answer.js';
import { WatchStream, type WatchListeners } from './watch-stream.js';

export interface RequestsOptions {
  readonly client: ApiClient;
  readonly path: string;
  readonly timing: ReflectorTiming;
  /** Ends every request. */
  readonly signal: AbortSignal;
}

/** What a reflector asks its server for. */
export class Requests {
  readonly #listOptions: ListOptions;
  readonly #unanswered = new Set<StreamedAnswer>();

  constructor(options: RequestsOptions) {
    const unanswered = this.#unanswered;
    this.#listOptions = { ...options, unanswered, slice: new TimeSlice(options.timing.sliceMs) };
  }

  /** Those that have no answer yet. */
  get unanswered(): readonly StreamedAnswer[] {
    return [...this.#unanswered];
  }

  /** See listPages. */
  list<Item extends { readonly name: string }>(decode: (object: unknown) => Item): Promise<List<Item>> {
    return listPages(this.#listOptions, decode);
  }

  /** See listFirst. */
  first(): Promise<First> {
    return listFirst(this.#listOptions);
  }

  /** Opens a watch that is asked to last `seconds` for `use`, and closes it when that is done. @throws what `use` throws, and WatchStream.open. */
  async watch(
    query: Readonly<Record<string, string>>,
    seconds: number,
    listeners: WatchListeners,
    use: (stream: WatchStream) => Promise<void>,
  ): Promise<void> {
    const stream = new WatchStream({ ...this.#listOptions, ...listeners, query, seconds });
    try {
      await stream.open();
      await use(stream);
    } finally {
      await stream.close();
    }
  }
}
