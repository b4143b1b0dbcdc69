import type { ApiClient } from '../api-client.js';
import type { TimeSlice } from '../../time-slice.js';
import { JsonItems } from './json-items.js';
import { stringMember } from './json-member.js';
import { MalformedError, parseJson } from './malformed-error.js';
import { ReflectorFailure } from './reflector-failure.js';
import type { ReflectorTiming } from './reflector-timing.js';
import { StreamedAnswer } from './streamed-answer.js';

/** Objects. */
export const pageSize = 500;
/** More than any server has: one that goes on for ever must end somewhere. */
const maxObjects = 1_000_000;
const maxPages = 10_000;

/** Everything there is of one kind, at one resourceVersion. */
export interface List<Item> {
  readonly items: readonly Item[];
  readonly resourceVersion: string;
  /** Whose it is. */
  readonly server: string;
}

export interface ListOptions {
  readonly client: ApiClient;
  readonly path: string;
  readonly timing: ReflectorTiming;
  readonly slice: TimeSlice;
  readonly signal: AbortSignal;
  readonly unanswered: Set<StreamedAnswer>;
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
    requireBound(items.size);
  };
  // All pages are of the first one's resourceVersion; whatever a later one says, nothing is watched from there.
  const { resourceVersion, server, ...first } = await readPage(options, pageSize, undefined, take);
  let { next } = first;
  for (let pages = 1; next !== undefined; pages += 1) {
    if (pages > maxPages) throw new MalformedError('a list of too many pages');
    const page = await readPage(options, pageSize, next, take);
    if (page.next === next) throw new MalformedError('a list that continues where it began');
    if (page.server !== server) throw new ReflectorFailure('expired', 'another server goes on with the list');
    ({ next } = page);
  }
  return { items: [...items.values()], resourceVersion, server };
}

/** @throws MalformedError where there are more objects than any server has. */
export function requireBound(objects: number): void {
  if (objects > maxObjects) throw new MalformedError(`a list of more than ${maxObjects} objects`);
}

/** The first object of a list, undefined where there is none, and the server's resourceVersion now. */
export interface First {
  readonly object: unknown;
  readonly resourceVersion: string;
  readonly server: string;
}

/** What the server lists first. @throws as listPages does. */
export async function listFirst(options: ListOptions): Promise<First> {
  let first: unknown;
  const { timing } = options;
  const quick = { ...options, timing: { ...timing, pageMs: timing.questionMs } };
  const { resourceVersion, server } = await readPage(quick, 1, undefined, (object) => (first ??= object));
  return { object: first, resourceVersion, server };
}

interface Page {
  readonly server: string;
  readonly resourceVersion: string;
  /** The token of the next one. */
  readonly next: string | undefined;
}

async function readPage(
  { client, path, timing, slice, signal, unanswered }: ListOptions,
  limit: number,
  token: string | undefined,
  take: (object: unknown) => void,
): Promise<Page> {
  const { headersMs, listSilenceMs: silenceMs, pageMs: totalMs } = timing;
  const query = { limit: String(limit), ...(token === undefined ? {} : { continue: token }) };
  const limits = { headersMs, silenceMs, totalMs };
  const answer = new StreamedAnswer({ client, path, query, signal, unanswered, ...limits });
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
    return { ...pageOf(page.end()), server: answer.server };
  } finally {
    answer.close();
  }
}

function pageOf(rest: ReadonlyMap<string, unknown>): Omit<Page, 'server'> {
  const items = rest.get('items');
  // A list of nothing may be null; an object without any items is no list.
  if (!Array.isArray(items) && items !== null) throw new MalformedError('not a list');
  const metadata = rest.get('metadata');
  const resourceVersion = stringMember(metadata, 'resourceVersion');
  if (resourceVersion === undefined) throw new MalformedError('a list without a resourceVersion');
  return { resourceVersion, next: stringMember(metadata, 'continue') };
}
