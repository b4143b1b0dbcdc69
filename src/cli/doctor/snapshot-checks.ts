import { policy } from '../../options/policy-options.js';
import { SnapshotError } from '../../policy/policy-errors.js';
import { readSnapshot } from '../../policy/snapshot/snapshot-file.js';
import type { SnapshotLayer } from '../../policy/snapshot/snapshot-format.js';
import { checkSnapshotPlace } from '../../policy/snapshot/snapshot-place.js';
import { about, withoutSubject, type Finding, type Level } from './finding.js';

const { cacheKubeconfig, maxPolicyStaleness, rootKubeconfig } = policy.options;

export interface SnapshotUse {
  /** What findings name: flag and file. */
  readonly subject: string;
  readonly file: string;
  /** Of the layers that are kept in it: which server's policy each is. Undefined where that is not known. */
  readonly origins: ReadonlyMap<string, string | undefined>;
  /** How long a policy may decide without its source (ms). */
  readonly maxStalenessMs: number;
}

export interface SnapshotReport {
  readonly findings: readonly Finding[];
  /** The layers that a restart could begin with. */
  readonly usable: ReadonlySet<string>;
}

/** Whether a snapshot can be kept, and what a restart would make of the one there is. `now` in ms since the epoch. */
export async function checkSnapshot(use: SnapshotUse, now: number): Promise<SnapshotReport> {
  const at = about('policy-snapshot', use.subject);
  const only = (level: Level, message: string): SnapshotReport => ({
    findings: [at(level, withoutSubject(message, use.file))],
    usable: new Set(),
  });
  try {
    await checkSnapshotPlace(use.file);
  } catch (error) {
    return only('error', messageOf(error));
  }
  if (use.origins.size === 0) {
    return only(
      'warning',
      `keeps nothing, because only the policy of API servers is kept: add ${rootKubeconfig.name} or ${cacheKubeconfig.name}, or leave it out`,
    );
  }
  let snapshot: readonly SnapshotLayer[] | undefined;
  try {
    snapshot = await readSnapshot(use.file, () => now);
  } catch (error) {
    return only('warning', `${messageOf(error)}; a restart begins without it`);
  }
  if (snapshot === undefined) return only('ok', 'can be written; there is none yet');
  const usable = new Set<string>();
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
  if (!origins.has(layer)) {
    return ['warning', `${what} are not restored, because nothing here reads that source: remove the file`];
  }
  const expected = origins.get(layer);
  if (expected !== undefined && expected !== origin) {
    return ['warning', `${what} are not restored, because the kubeconfig is of ${expected}: remove the file`];
  }
  const ageMs = Math.max(0, now - syncedAt);
  const age = `in step ${durationOf(ageMs)} ago`;
  return ageMs > maxStalenessMs
    ? ['warning', `${what}, ${age}, are older than ${maxPolicyStaleness.name} and would not decide`]
    : ['ok', `${what}, ${age}, would decide after a restart until the server answers`];
}

function durationOf(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'less than a minute';
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** @throws what is no fault of the snapshot. */
function messageOf(error: unknown): string {
  if (error instanceof SnapshotError) return error.message;
  throw error;
}
