import { requireBound, type List } from './list-pages.js';
import { ReflectorFailure } from './reflector-failure.js';
import { errorEventFailure } from './status-failure.js';
import type { WatchStream } from './watch-stream.js';

/** Asks a watch to tell everything there is before its first change (KEP-3157). */
export const watchListQuery = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } as const;

/** Whether a server refused a watch-list for being one. */
export function isWatchListRefusal({ status }: ReflectorFailure): boolean {
  return status === 400 || status === 405 || status === 422;
}

/**
 * Everything there is, as a watch-list tells it; the stream's next events are changes of that. What changed while
 * it was told may stand among it already.
 *
 * @throws ReflectorFailure or MalformedError where it does not come to its end.
 */
export async function readInitialEvents<Item extends { readonly name: string }>(
  stream: WatchStream,
  decode: (object: unknown) => Item,
): Promise<List<Item>> {
  const items = new Map<string, Item>();
  let resourceVersion = '';
  const outcome = await stream.each((event) => {
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED': {
        const item = decode(event.object);
        items.set(item.name, item);
        requireBound(items.size);
        return 'go on';
      }
      case 'DELETED':
        items.delete(event.name);
        return 'go on';
      case 'BOOKMARK':
        resourceVersion = event.resourceVersion;
        return event.endsInitialEvents ? 'stop' : 'go on';
      case 'ERROR':
        throw errorEventFailure(event.object);
    }
  });
  if (outcome === 'ended') throw new ReflectorFailure('connection', 'ended before everything was told');
  return { items: [...items.values()], resourceVersion, server: stream.server };
}
