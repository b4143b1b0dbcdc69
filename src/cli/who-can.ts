import { alwaysAllowPaths } from '../paths/always-allow.js';
import { describeSubject, subjectKey } from '../rbac/subjects.js';
import { listOf, type Flag, type FlagValues } from './flags.js';
import {
  alwaysAllowGroupsFlag,
  alwaysAllowPathsFlag,
  authorizersOf,
  openPolicyOf,
  policyFlags,
} from './policy-flags.js';

export const whoCanFlags: readonly Flag[] = [...policyFlags, alwaysAllowPathsFlag, alwaysAllowGroupsFlag];

/** Prints everybody who is granted `verb` on `path`, and by what. Resolves to the exit code. */
export async function whoCan(
  { verb, path }: { readonly verb: string; readonly path: string },
  values: FlagValues,
  print: (line: string) => void,
): Promise<number> {
  // Reads the patterns, and with them their faults, as a start would.
  authorizersOf(values, undefined);
  const open = await openPolicyOf(values);
  try {
    const rows: (readonly [string, string])[] = [];
    if (alwaysAllowPaths(listOf(values, alwaysAllowPathsFlag))(path)) {
      rows.push(['everybody', alwaysAllowPathsFlag.name]);
    }
    for (const name of listOf(values, alwaysAllowGroupsFlag)) {
      rows.push([describeSubject({ kind: 'Group', name }), alwaysAllowGroupsFlag.name]);
    }
    for (const { layer, binding } of open.policy.grantsOf(verb, path)) {
      const by = `ClusterRoleBinding ${JSON.stringify(binding.name)} of ClusterRole ${JSON.stringify(binding.role)} (${layer})`;
      for (const subject of binding.subjects) {
        if (subjectKey(subject) !== undefined) rows.push([describeSubject(subject), by]);
      }
    }
    const width = Math.max(...rows.map(([who]) => who.length), 0);
    for (const [who, by] of rows) print(`${who.padEnd(width)}  ${by}`);
    return 0;
  } finally {
    await open.close();
  }
}
