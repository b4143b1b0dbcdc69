import { authorization, type AuthorizerName } from '../options/authorization-options.js';
import { checkAuthorizers, offlineTopics, openPolicyOffline } from '../options/offline-options.js';
import { requestedPath, workspaceOf } from '../options/offline-options.js';
import type { GivenOptions } from '../options/option.js';
import { alwaysAllowPaths, isDiscoveryPath, isResourcePath } from '../paths/always-allow.js';
import type { Policy } from '../policy/policy.js';
import type { Command, CommandCall } from './command.js';
import { neverAsked } from './why-not.js';
import type { WorkspaceIndex } from '../policy/index/workspace-index.js';
import { describeSubject, subjectKey, type ClusterRoleBinding } from '../policy/objects.js';

export const whoCanCommand: Command = {
  args: [
    { name: 'verb', description: 'such as get' },
    { name: 'path', description: 'such as /metrics' },
  ],
  topics: offlineTopics,
  run: whoCan,
};

type Row = readonly [who: string, by: string];

/** Prints who is allowed a verb on a path, and by what, in the order of the authorizers. Resolves to the exit code. */
async function whoCan({ args, values, terminal: { print, printError } }: CommandCall): Promise<number> {
  const [verb = '', path = ''] = args;
  const requested = requestedPath(path, values);
  checkAuthorizers(values, printError);
  if ('refused' in requested) {
    printError(`${JSON.stringify(path)}: ${requested.refused}`);
    return 0;
  }
  const never = neverAsked(verb, path, requested.isOfGateway);
  if (never !== undefined) printError(never);
  const asked = { ...requested, verb };
  const open = await openPolicyOffline(values, printError);
  try {
    const { authorizationOrder } = authorization.read(values);
    const workspace = workspaceOf(values);
    const rows =
      workspace === undefined
        ? authorizationOrder.flatMap((name) => grantedBy(name, asked, values, open?.policy))
        : grantedIn(open?.policy.workspaces, workspace, asked, printError);
    const width = rows.reduce((longest, [who]) => Math.max(longest, who.length), 0);
    for (const [who, by] of rows) print(`${who.padEnd(width)}  ${by}`);
    return 0;
  } finally {
    await open?.close();
  }
}

interface Question {
  readonly verb: string;
  readonly path: string;
  readonly isOfGateway: boolean;
}

/** Who is granted it in a workspace; prints what else all of them need to enter it. */
function grantedIn(
  index: WorkspaceIndex | undefined,
  name: string,
  { verb, path }: Question,
  printError: (line: string) => void,
): readonly Row[] {
  const workspace = index?.named(name);
  if (index === undefined || workspace === undefined) {
    printError(`${JSON.stringify(name)}: no such workspace`);
    return [];
  }
  const rowsFor = (...asked: readonly [verb: string, path: string]): readonly Row[] =>
    [...index.grantsOf(workspace, ...asked)].flatMap((binding) => rowsOf(binding));
  const access = new Set(rowsFor('access', '/').map(([who]) => who));
  printError(
    `besides, access is needed (verb access on /), which have: ${[...access].join(', ') || 'nobody'}`,
  );
  const required = workspace.logicalCluster?.requiredGroups;
  if (required !== undefined) printError(`and one of the required groups: ${required}`);
  const masters = describeSubject({ kind: 'Group', name: 'system:masters' });
  return [[masters, 'always allowed'], ...rowsFor(verb, path)];
}

function rowsOf(binding: ClusterRoleBinding, layer = ''): readonly Row[] {
  const by = `ClusterRoleBinding ${JSON.stringify(binding.name)} of ClusterRole ${JSON.stringify(binding.role)}`;
  return binding.subjects
    .filter((subject) => subjectKey(subject) !== undefined)
    .map((subject): Row => [describeSubject(subject), `${by}${layer}`]);
}

function grantedBy(
  authorizer: AuthorizerName,
  { verb, path, isOfGateway }: Question,
  values: GivenOptions,
  policy: Policy | undefined,
): readonly Row[] {
  const { authorizationAlwaysAllowGroups, authorizationAlwaysAllowPaths } = authorization.options;
  const given = authorization.read(values);
  switch (authorizer) {
    case 'AlwaysAllowGroups': {
      const groups = given.authorizationAlwaysAllowGroups.filter((name) => name !== '');
      const by = authorizationAlwaysAllowGroups.name;
      return groups.map((name) => [describeSubject({ kind: 'Group', name }), by]);
    }
    case 'AlwaysAllowPaths': {
      const isOpen = !isOfGateway && alwaysAllowPaths(given.authorizationAlwaysAllowPaths)(path);
      return isOpen ? [['everybody', authorizationAlwaysAllowPaths.name]] : [];
    }
    case 'RBAC': {
      if (policy === undefined || (!isOfGateway && isResourcePath(path))) return [];
      const grants = [...policy.grantsOf(verb, path, isOfGateway && isDiscoveryPath(path))];
      return grants.flatMap(({ layer, binding }) => rowsOf(binding, ` (${layer})`));
    }
    case 'Webhook':
      return [];
  }
}
