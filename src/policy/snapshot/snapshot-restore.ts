import type { Policy } from '../policy.js';
import { readSnapshot } from './snapshot-file.js';
import type { SnapshotLayer } from './snapshot-format.js';

/** The outcome of an attempt to read or to write a snapshot. */
export type SnapshotResult = {
  /** The layers that it is about. */
  readonly layers: readonly string[];
} & (
  | {
      readonly operation: 'restore';
      /** `refused`: the file, or these layers of it, must not be trusted. `missing`: there is no file. */
      readonly result: 'success' | 'refused' | 'missing';
      /** One line, which names the file. */
      readonly message: string;
    }
  | { readonly operation: 'write'; readonly result: 'success'; readonly message?: undefined }
  | {
      readonly operation: 'write';
      readonly result: 'failure';
      /** One line, which names the file. */
      readonly message: string;
    }
);

interface RestoreOptions {
  readonly file: string;
  readonly policy: Policy;
  /** The layers that may be filled, and where each has to come from. */
  readonly origins: ReadonlyMap<string, string>;
  /** Whether, once the file was read, the policy is still wanted. */
  readonly isWanted: () => boolean;
  /** Clock in ms. */
  readonly now: () => number;
}

/**
 * Fills the layers that are not loaded yet from the file and resolves to their names. A fault of the file is reported
 * and changes nothing.
 */
export async function restoreSnapshot(
  { file, policy, origins, isWanted, now }: RestoreOptions,
  report: (result: SnapshotResult) => void,
): Promise<readonly string[]> {
  const reportRestore = (
    result: 'success' | 'refused' | 'missing',
    message: string,
    layers: readonly string[] = [],
  ): void => {
    report({ operation: 'restore', result, message, layers });
  };
  let snapshot: readonly SnapshotLayer[] | undefined;
  try {
    snapshot = await readSnapshot(file, now);
    if (snapshot === undefined) reportRestore('missing', `${file}: does not exist yet`);
  } catch (error) {
    reportRestore('refused', error instanceof Error ? error.message : String(error));
  }
  const own: SnapshotLayer[] = [];
  for (const found of snapshot ?? []) {
    const fault = originFault(found.origin, origins.get(found.layer));
    if (fault === undefined) own.push(found);
    else {
      const message = `${file}: policy layer ${JSON.stringify(found.layer)} is not restored: ${fault}`;
      reportRestore('refused', message, [found.layer]);
    }
  }
  const restored = own.filter(({ layer, syncedAt, objects }) => {
    const status = policy.status().find((candidate) => candidate.layer === layer);
    // Its source may have been faster.
    if (status?.state !== 'syncing' || !isWanted()) return false;
    // A clock that was ahead must not make the policy look younger.
    const since = Math.min(syncedAt, now());
    policy.sink(layer).restore(objects, since, `restored from the snapshot of ${isoTime(syncedAt)}`);
    return true;
  });
  const layers = restored.map(({ layer }) => layer);
  if (own.length > 0) {
    const known = restored.map(
      ({ layer, syncedAt }) => `${JSON.stringify(layer)} as of ${isoTime(syncedAt)}`,
    );
    const outcome =
      known.length > 0
        ? `restored policy layer ${known.join(' and ')}`
        : 'not needed, its policy layers are loaded';
    reportRestore('success', `${file}: ${outcome}`, layers);
  }
  return layers;
}

/** Only content of the same source counts, even under the same name. */
function originFault(origin: string, expected: string | undefined): string | undefined {
  if (expected === origin) return undefined;
  if (expected === undefined) return 'it has no source here';
  return `it is from ${JSON.stringify(origin)}, not from ${JSON.stringify(expected)}`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
