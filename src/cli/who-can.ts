import { authorization, authorizersOf, type AuthorizerName } from '../options/authorization-options.js';
import { general } from '../options/general-options.js';
import {
  hasPolicy,
  openPolicyOffline,
  policySources,
  requestedPath,
  sayWhoIsNotAsked,
} from '../options/offline-options.js';
import type { GivenOptions } from '../options/option.js';
import { alwaysAllowPaths, isResourcePath } from '../paths/always-allow.js';
import type { Policy } from '../policy/policy.js';
import type { Command, CommandCall } from './command.js';
import { describeSubject, subjectKey } from '../policy/objects.js';

export const whoCanCommand: Command = {
  args: [
    { name: 'verb', description: 'such as get' },
    { name: 'path', description: 'such as /metrics' },
  ],
  topics: [general, policySources, authorization],
  run: whoCan,
};

type Row = readonly [who: string, by: string];

/**
 * Prints who is allowed `verb` on `path`, and by what, in the order of the authorizers.
 * Resolves to the exit code.
 */
async function whoCan({
  args: [verb = '', path = ''],
  values,
  terminal: { print, printError },
}: CommandCall): Promise<number> {
  const requested = requestedPath(path, values);
  // Reports invalid patterns as start would.
  authorizersOf(values);
  sayWhoIsNotAsked(values, printError);
  if ('refused' in requested) {
    printError(`${JSON.stringify(path)}: ${requested.refused}`);
    return 0;
  }
  const asked = { verb, path: requested.path };
  const open = hasPolicy(values) ? await openPolicyOffline(values, printError) : undefined;
  try {
    const { authorizationOrder } = authorization.read(values);
    const rows = authorizationOrder.flatMap((name) => grantedBy(name, asked, values, open?.policy));
    const width = rows.reduce((longest, [who]) => Math.max(longest, who.length), 0);
    for (const [who, by] of rows) print(`${who.padEnd(width)}  ${by}`);
    return 0;
  } finally {
    await open?.close();
  }
}

function grantedBy(
  authorizer: AuthorizerName,
  { verb, path }: { readonly verb: string; readonly path: string },
  values: GivenOptions,
  policy: Policy | undefined,
): readonly Row[] {
  const { options } = authorization;
  const { authorizationAlwaysAllowGroups: groups, authorizationAlwaysAllowPaths: paths } =
    authorization.read(values);
  switch (authorizer) {
    case 'AlwaysAllowGroups':
      return groups
        .filter((name) => name !== '')
        .map((name) => [
          describeSubject({ kind: 'Group', name }),
          options.authorizationAlwaysAllowGroups.name,
        ]);
    case 'AlwaysAllowPaths':
      return alwaysAllowPaths(paths)(path) ? [['everybody', options.authorizationAlwaysAllowPaths.name]] : [];
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
