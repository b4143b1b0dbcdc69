import type { ApiClient } from '../api-client/api-client.js';
import { JsonItems } from './json-items.js';
import { stringMember } from './json-member.js';
import { MalformedError, parseJson } from './malformed-error.js';
import type { ReflectorTiming } from './reflector-timing.js';
import { StreamedAnswer } from './streamed-answer.js';
import type { TimeSlice } from './time-slice.js';

const pageSize = 500;

/** Everything there is of one kind, at one resourceVersion. */
export interface List<Item> {
  readonly items: readonly Item[];
  readonly resourceVersion: string;
}

export interface ListOptions {
  readonly client: ApiClient;
  readonly path: string;
  readonly timing: ReflectorTiming;
  readonly slice: TimeSlice;
  readonly signal: AbortSignal;
}

/**
 * Lists page by page. No resourceVersion is asked for, so that the answer is what holds now and not what some
 * cache remembers. Of two items of one name the later counts.
 *
 * @throws ReflectorFailure or MalformedError; `expired` where the list was forgotten between two pages.
 */
export async function listPages<Item extends { readonly name: string }>(
  options: ListOptions,
  decode: (object: unknown) => Item,
): Promise<List<Item>> {
  const items = new Map<string, Item>();
  const take = (object: unknown): void => {
    const item = decode(object);
    items.set(item.name, item);
  };
  let page = await readPage(options, pageSize, undefined, take);
  while (page.next !== undefined) {
    const following = await readPage(options, pageSize, page.next, take);
    if (following.next === page.next) throw new MalformedError('a list that continues where it began');
    page = following;
  }
  return { items: [...items.values()], resourceVersion: page.resourceVersion };
}

/** The first object of a list, undefined where there is none, and the server's resourceVersion now. */
export interface First {
  readonly object: unknown;
  readonly resourceVersion: string;
}

/** What the server lists first. @throws as listPages does. */
export async function listFirst(options: ListOptions): Promise<First> {
  let first: unknown;
  const { resourceVersion } = await readPage(options, 1, undefined, (object) => (first ??= object));
  return { object: first, resourceVersion };
}

interface Page {
  readonly resourceVersion: string;
  /** The token of the next one. */
  readonly next: string | undefined;
}

async function readPage(
  { client, path, timing, slice, signal }: ListOptions,
  limit: number,
  token: string | undefined,
  take: (object: unknown) => void,
): Promise<Page> {
  const { headersMs, listSilenceMs: silenceMs } = timing;
  const query = { limit: String(limit), ...(token === undefined ? {} : { continue: token }) };
  const answer = new StreamedAnswer({ client, path, query, signal, headersMs, silenceMs });
  try {
    await answer.open();
    const page = new JsonItems();
    for await (const chunk of answer.chunks()) {
      page.write(chunk);
      for (let json = page.next(); json !== undefined; json = page.next()) {
        take(parseJson(json));
        if (slice.isOver) await slice.rest();
        signal.throwIfAborted();
      }
    }
    return pageOf(page.end());
  } finally {
    answer.close();
  }
}

function pageOf(rest: ReadonlyMap<string, unknown>): Page {
  const items = rest.get('items');
  // A list of nothing may be null; an object without any items is no list.
  if (!Array.isArray(items) && items !== null) throw new MalformedError('not a list');
  const metadata = rest.get('metadata');
  const resourceVersion = stringMember(metadata, 'resourceVersion');
  if (resourceVersion === undefined) throw new MalformedError('a list without a resourceVersion');
  return { resourceVersion, next: stringMember(metadata, 'continue') };
}
