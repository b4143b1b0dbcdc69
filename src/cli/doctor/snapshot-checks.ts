import { policy } from '../../options/policy-options.js';
import { SnapshotError } from '../../policy/policy-errors.js';
import { readSnapshot } from '../../policy/snapshot/snapshot-file.js';
import type { SnapshotLayer } from '../../policy/snapshot/snapshot-format.js';
import { checkSnapshotPlace } from '../../policy/snapshot/snapshot-place.js';
import { about, withoutSubject, type Level } from './finding.js';

const { cacheKubeconfig, maxPolicyStaleness, rootKubeconfig } = policy.options;

export interface SnapshotUse {
  readonly subject: string;
  readonly file: string;
  /** The server behind each stored layer, or undefined if unknown. */
  readonly origins: ReadonlyMap<string, string | undefined>;
  readonly maxStalenessMs: number;
}

/**
 * Checks that a snapshot can be written, and what a restart would restore from it: `usable` are the layers. `now` in ms
 * since the epoch.
 */
export async function checkSnapshot(use: SnapshotUse, now: number) {
  const at = about('policy-snapshot', use.subject);
  const usable = new Set<string>();
  const only = (level: Level, message: string) => ({
    findings: [at(level, withoutSubject(message, use.file))],
    usable,
  });
  try {
    await checkSnapshotPlace(use.file);
  } catch (error) {
    return only('error', messageOf(error));
  }
  if (use.origins.size === 0) {
    return only(
      'warning',
      `has no effect, because only the policy of API servers is stored: add ${rootKubeconfig.name} or ${cacheKubeconfig.name}, or leave it out`,
    );
  }
  let snapshot: readonly SnapshotLayer[] | undefined;
  try {
    snapshot = await readSnapshot(use.file, () => now);
  } catch (error) {
    return only('warning', `${messageOf(error)}; a restart ignores it`);
  }
  if (snapshot === undefined) return only('ok', 'can be written; does not exist yet');
  const findings = snapshot.map((layer) => {
    const [level, message] = layerFinding(layer, use, now);
    if (level === 'ok') usable.add(layer.layer);
    return at(level, message);
  });
  return { findings, usable };
}

function layerFinding(
  { layer, origin, syncedAt, objects }: SnapshotLayer,
  { origins, maxStalenessMs }: SnapshotUse,
  now: number,
): readonly [Level, string] {
  const what = `${objects.length} objects of ${origin} (${layer})`;
  const expected = origins.get(layer);
  const otherwise = origins.has(layer)
    ? `the kubeconfig is for ${expected ?? ''}`
    : 'that source is not configured';
  if (!origins.has(layer) || (expected !== undefined && expected !== origin)) {
    return ['warning', `${what} are not restored, because ${otherwise}: remove the file`];
  }
  const ageMs = Math.max(0, now - syncedAt);
  const age = `in step ${durationOf(ageMs)} ago`;
  return ageMs > maxStalenessMs
    ? ['warning', `${what}, ${age}, are older than ${maxPolicyStaleness.name} and would not be used`]
    : ['ok', `${what}, ${age}, would be used after a restart until the server answers`];
}

function durationOf(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'less than a minute';
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** @throws errors that are not about the snapshot. */
function messageOf(error: unknown): string {
  if (error instanceof SnapshotError) return error.message;
  throw error;
}
