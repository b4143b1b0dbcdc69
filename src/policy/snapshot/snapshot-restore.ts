import type { Policy } from '../policy.js';
import { readSnapshot, type SnapshotLayer } from './snapshot-file.js';
import type { SnapshotResult } from './snapshot-result.js';

export interface RestoreOptions {
  readonly file: string;
  readonly policy: Policy;
  /** The layers that may be filled, and where each has to come from. */
  readonly origins: ReadonlyMap<string, string>;
  readonly tell: (result: SnapshotResult) => void;
  /** Whether, once the file was read, the policy is still wanted. */
  readonly isWanted: () => boolean;
  /** Clock in ms. */
  readonly now: () => number;
}

/**
 * Fills the layers that are not loaded yet with what the file knows of them, and resolves to their names. A
 * fault of the file is told, and then they stay as they are.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<readonly string[]> {
  const { file, origins, tell } = options;
  const snapshot = await read(options);
  const own: SnapshotLayer[] = [];
  for (const found of snapshot) {
    const fault = originFault(found, origins.get(found.layer));
    if (fault === undefined) own.push(found);
    else {
      const message = `${file}: policy layer ${JSON.stringify(found.layer)} is not restored: ${fault}`;
      tell({ operation: 'restore', result: 'refused', message, layers: [found.layer] });
    }
  }
  const restored = own.filter((layer) => fill(options, layer));
  const layers = restored.map(({ layer }) => layer);
  if (own.length > 0) {
    const known = restored.map(
      ({ layer, syncedAt }) => `${JSON.stringify(layer)} as of ${isoTime(syncedAt)}`,
    );
    const message =
      known.length > 0
        ? `${file}: restored policy layer ${known.join(' and ')}`
        : `${file}: not needed, its policy layers are loaded`;
    tell({ operation: 'restore', result: 'success', message, layers });
  }
  return layers;
}

async function read({ file, tell, now }: RestoreOptions): Promise<readonly SnapshotLayer[]> {
  try {
    const snapshot = await readSnapshot(file, { now });
    if (snapshot !== undefined) return snapshot;
    tell({ operation: 'restore', result: 'missing', message: `${file}: does not exist yet`, layers: [] });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ operation: 'restore', result: 'refused', message, layers: [] });
  }
  return [];
}

/** What another source said is not believed, even where it bears the same name. */
function originFault({ origin }: SnapshotLayer, expected: string | undefined): string | undefined {
  if (expected === origin) return undefined;
  if (expected === undefined) return 'it has no source here';
  return `it is from ${JSON.stringify(origin)}, not from ${JSON.stringify(expected)}`;
}

/** Whether the layer still had a use for it: its source may have been faster. */
function fill({ policy, isWanted, now }: RestoreOptions, found: SnapshotLayer): boolean {
  const { layer, syncedAt, objects } = found;
  const status = policy.status().find((candidate) => candidate.layer === layer);
  if (status?.state !== 'syncing' || !isWanted()) return false;
  // A clock that was ahead must not make the policy younger than it can be.
  const since = Math.min(syncedAt, now());
  policy.sink(layer).restore(objects, since, `restored from the snapshot of ${isoTime(syncedAt)}`);
  return true;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
