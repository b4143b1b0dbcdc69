import type { PolicyObject } from '../objects.js';
import type { PolicySource } from './policy-source.js';

/**
 * A source whose layer holds built-in objects until it is in step with its server for the first time: whoever may
 * not read there, or cannot reach it, decides as if there were no server.
 */
export function builtInUntilSynced(source: PolicySource, objects: readonly PolicyObject[]): PolicySource {
  let hasSynced = false;
  return {
    name: source.name,
    get hasSynced() {
      return hasSynced;
    },
    open: async () => {
      await source.open?.();
    },
    async start(sink) {
      sink.replace(objects);
      await source.start({
        replace: (all) => {
          sink.replace(all);
        },
        ...(sink.replaceAll === undefined ? {} : { replaceAll: sink.replaceAll.bind(sink) }),
        replaceKind: (kind, all) => sink.replaceKind(kind, all),
        apply: (change) => {
          sink.apply(change);
        },
        markSynced() {
          hasSynced = true;
          sink.markSynced();
        },
        markStale(reason, since) {
          if (hasSynced) sink.markStale(reason, since);
        },
        restore: (all, syncedAt, reason) => {
          sink.restore(all, syncedAt, reason);
        },
      });
    },
    close: () => source.close(),
  };
}
