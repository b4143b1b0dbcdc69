import { NameTable } from '../../name-table.js';
import { MalformedError, ReflectorFailure } from '../kubernetes-errors.js';
import { JsonItems } from './json-items.js';
import { stringMember, type ObjectKey } from '../json.js';
import { errorEventFailure, StreamedAnswer, type Requests } from './streamed-answer.js';
import type { WatchStream } from './watch-stream.js';

/** Objects. */
export const pageSize = 500;
const maxPages = 10_000;

/** Everything there is of one kind, at one resourceVersion. */
export interface List<Item> {
  readonly items: readonly Item[];
  readonly resourceVersion: string;
  /** Whose it is. */
  readonly server: string;
}

/**
 * Lists page by page. No resourceVersion is asked for, so that the answer is what holds now and not what some
 * cache remembers. Of two items of one key the later counts.
 *
 * @throws ReflectorFailure or MalformedError; `expired` where the list was forgotten between two pages.
 */
export async function listPages<Item>(
  requests: Requests,
  decode: (object: unknown) => Item,
): Promise<List<Item>> {
  const items = new Items<Item>();
  const take = (object: unknown): void => {
    items.set(requests.keyOf(object), decode(object));
  };
  const { pageMs } = requests.timing;
  // All pages are of the first one's resourceVersion; whatever a later one says, nothing is watched from there.
  const { resourceVersion, server, ...first } = await readPage(requests, pageMs, pageSize, undefined, take);
  let { next } = first;
  for (let pages = 1; next !== undefined; pages += 1) {
    if (pages > maxPages) throw new MalformedError('a list of too many pages');
    const page = await readPage(requests, pageMs, pageSize, next, take);
    if (page.next === next) throw new MalformedError('a list that continues where it began');
    if (page.server !== server) throw new ReflectorFailure('expired', 'another server goes on with the list');
    ({ next } = page);
  }
  return { items: items.all, resourceVersion, server };
}

/** What the server lists first, undefined where it has nothing, and its resourceVersion now. @throws as listPages does. */
export async function listFirst(requests: Requests) {
  let first: unknown;
  const { questionMs } = requests.timing;
  const page = await readPage(requests, questionMs, 1, undefined, (object) => (first ??= object));
  return { object: first, resourceVersion: page.resourceVersion, server: page.server };
}

/** Asks a watch to tell everything there is before its first change (KEP-3157). */
export const watchListQuery = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } as const;

/**
 * Everything there is, as a watch-list tells it; the stream's next events are changes of that. What changed while
 * it was told may stand among it already.
 *
 * @throws ReflectorFailure or MalformedError where it does not come to its end.
 */
export async function readInitialEvents<Item>(
  stream: WatchStream,
  keyOf: ObjectKey,
  decode: (object: unknown) => Item,
): Promise<List<Item>> {
  const items = new Items<Item>();
  let resourceVersion = '';
  const outcome = await stream.each((event) => {
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        items.set(keyOf(event.object), decode(event.object));
        return 'go on';
      case 'DELETED':
        items.delete(keyOf(event.object));
        return 'go on';
      case 'BOOKMARK':
        resourceVersion = event.resourceVersion;
        return event.endsInitialEvents ? 'stop' : 'go on';
      case 'ERROR':
        throw errorEventFailure(event.object);
    }
  });
  if (outcome === 'ended') throw new ReflectorFailure('connection', 'ended before everything was told');
  return { items: items.all, resourceVersion, server: stream.answer.server };
}

/** In the order they came; of two of one key the later counts. To grow, a Map would ask each key for its hash. */
class Items<Item> {
  readonly #items: (Item | undefined)[] = [];
  readonly #numbers = new NameTable<number>();

  get all(): readonly Item[] {
    return this.#items.filter((item) => item !== undefined);
  }

  set(key: string, item: Item): void {
    const known = this.#numbers.get(key);
    if (known === undefined) this.#numbers.set(key, this.#items.length);
    this.#items[known ?? this.#items.length] = item;
  }

  delete(key: string): void {
    const number = this.#numbers.get(key);
    if (number === undefined) return;
    this.#items[number] = undefined;
    this.#numbers.delete(key);
  }
}

async function readPage(
  requests: Requests,
  totalMs: number,
  limit: number,
  token: string | undefined,
  take: (object: unknown) => void,
) {
  const { timing, slice, signal } = requests;
  const query = {
    ...requests.selector,
    limit: String(limit),
    ...(token !== undefined && { continue: token }),
  };
  const { headersMs, listSilenceMs: silenceMs } = timing;
  const answer = new StreamedAnswer({ ...requests, query, headersMs, silenceMs, totalMs });
  return answer.during(async () => {
    const page = new JsonItems();
    for await (const chunk of answer.chunks) {
      page.write(chunk);
      for (let item = page.next(); item !== undefined; item = page.next()) {
        take(item);
        if (slice.isOver) await slice.rest();
        signal.throwIfAborted();
      }
    }
    return { ...pageOf(page.end()), server: answer.server };
  });
}

/** `next`: the token of the next one. */
function pageOf(rest: ReadonlyMap<string, unknown>) {
  const items = rest.get('items');
  // A list of nothing may be null; an object without any items is no list.
  if (!Array.isArray(items) && items !== null) throw new MalformedError('not a list');
  const metadata = rest.get('metadata');
  const resourceVersion = stringMember(metadata, 'resourceVersion');
  if (resourceVersion === undefined) throw new MalformedError('a list without a resourceVersion');
  return { resourceVersion, next: stringMember(metadata, 'continue') };
}
