import { alwaysAllowPaths, isResourcePath } from '../paths/always-allow.js';
import type { Policy } from '../policy/policy.js';
import type { Command, CommandCall } from './command.js';
import { listOf, type FlagValues } from '../options/flags.js';
import {
  alwaysAllowGroupsFlag,
  alwaysAllowPathsFlag,
  authorizationFlags,
  authorizationOrderOf,
  authorizersOf,
  sayWhoIsNotAsked,
  type AuthorizerName,
} from '../options/authorization/authorization-flags.js';
import { configFlag } from '../options/configuration/config-flag.js';
import { hasPolicy, offlineMode, requestedPath } from '../options/policy/offline-mode.js';
import { openPolicyOffline } from '../options/policy/policy-flags.js';
import { policySourceFlags } from '../options/policy/policy-source-flags.js';
import { describeSubject, subjectKey } from '../policy/objects.js';

export const whoCanCommand: Command = {
  args: [
    { name: 'verb', description: 'such as get' },
    { name: 'path', description: 'such as /metrics' },
  ],
  flags: [configFlag, offlineMode, ...policySourceFlags, ...authorizationFlags],
  run: whoCan,
};

interface Question {
  readonly verb: string;
  readonly path: string;
}

type Row = readonly [who: string, by: string];

/**
 * Prints everybody who is granted `verb` on `path`, and by what, in the order the authorizers are asked.
 * Resolves to the exit code.
 */
async function whoCan({
  args: [verb = '', path = ''],
  values,
  terminal: { print, printError },
}: CommandCall): Promise<number> {
  const requested = requestedPath(path, values);
  // Reads the patterns, and with them their faults, as a start would.
  authorizersOf(values);
  sayWhoIsNotAsked(values, printError);
  if ('refused' in requested) {
    printError(`${JSON.stringify(path)}: ${requested.refused}`);
    return 0;
  }
  const asked = { verb, path: requested.path };
  const open = hasPolicy(values) ? await openPolicyOffline(values, printError) : undefined;
  try {
    const rows = authorizationOrderOf(values).flatMap((name) => grantedBy(name, asked, values, open?.policy));
    const width = rows.reduce((longest, [who]) => Math.max(longest, who.length), 0);
    for (const [who, by] of rows) print(`${who.padEnd(width)}  ${by}`);
    return 0;
  } finally {
    await open?.close();
  }
}

function grantedBy(
  authorizer: AuthorizerName,
  { verb, path }: Question,
  values: FlagValues,
  policy: Policy | undefined,
): readonly Row[] {
  switch (authorizer) {
    case 'AlwaysAllowGroups':
      return listOf(values, alwaysAllowGroupsFlag)
        .filter((name) => name !== '')
        .map((name) => [describeSubject({ kind: 'Group', name }), alwaysAllowGroupsFlag.name]);
    case 'AlwaysAllowPaths':
      return alwaysAllowPaths(listOf(values, alwaysAllowPathsFlag))(path)
        ? [['everybody', alwaysAllowPathsFlag.name]]
        : [];
    case 'RBAC':
      if (isResourcePath(path)) return [];
      return [...(policy?.grantsOf(verb, path) ?? [])].flatMap(({ layer, binding }) => {
        const by = `ClusterRoleBinding ${JSON.stringify(binding.name)} of ClusterRole ${JSON.stringify(binding.role)} (${layer})`;
        return binding.subjects
          .filter((subject) => subjectKey(subject) !== undefined)
          .map((subject): Row => [describeSubject(subject), by]);
      });
    case 'Webhook':
      return [];
  }
}
