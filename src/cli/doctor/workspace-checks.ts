import { type PolicySources, workspaceSources } from '../../options/policy-options.js';
import { openPolicy } from '../../policy/open-policy.js';
import type { Policy } from '../../policy/policy.js';
import type { ClusterRoleBinding } from '../../policy/objects.js';
import { danglingBindingFindings, subjectFindings } from './bindings.js';
import type { Callers } from './callers.js';
import { about, those, withoutSubject, type Finding } from './finding.js';

const loadMs = 30_000;
/** How many are named one by one: others write these policies. */
const maxNamed = 10;

/**
 * Reads the policies of the workspaces once: how many there are, which of them let nobody read their metrics, and which
 * of their subjects can never match. Nothing where they are not configured; `isReadable`: whether their server lets them
 * be read.
 */
export async function workspaceFindings(
  { workspaces, bootstrap }: PolicySources,
  isReadable: boolean,
  callers: Callers,
): Promise<readonly Finding[]> {
  if (workspaces === undefined || (workspaces.requiresLogicalCluster && !isReadable)) return [];
  const { workspaceKubeconfig, workspaceRbacDir } = workspaceSources.options;
  const { name: flag } = workspaces.requiresLogicalCluster ? workspaceKubeconfig : workspaceRbacDir;
  const at = about('policy-source', flag);
  try {
    const open = await openPolicy({ sources: [], workspaces, bootstrap: bootstrap !== false });
    try {
      await open.settled(loadMs);
      const fault = open.policy.workspacesUnavailable();
      return fault === undefined ? findingsOf(open.policy, at, callers) : [at('error', fault)];
    } finally {
      await open.close();
    }
  } catch (error) {
    return [at('error', withoutSubject(error instanceof Error ? error.message : String(error), flag))];
  }
}

function findingsOf(policy: Policy, at: ReturnType<typeof about>, callers: Callers): readonly Finding[] {
  const { workspaces: index } = policy;
  if (index === undefined) return [];
  const { workspaces, clusterRoles, clusterRoleBindings } = index.describe();
  const contents = `has ${workspaces} workspaces, with ${clusterRoles} ClusterRoles and ${clusterRoleBindings} ClusterRoleBindings`;
  const silent: string[] = [];
  const granting: ClusterRoleBinding[] = [];
  for (const workspace of index.known()) {
    if (workspace === undefined) continue;
    // The workspace's own bindings that grant reading metrics, without those of its administrators.
    const administrators = new Set(index.grantsOf(workspace, 'any verb', 'any path'));
    const own = [...index.grantsOf(workspace, 'get', '/metrics')].filter(
      (binding) => binding.cluster === workspace.cluster && !administrators.has(binding),
    );
    if (own.length === 0) silent.push(workspace.logicalCluster?.path ?? workspace.cluster);
    granting.push(...own);
  }
  // The index lists the newest first.
  const named = silent.toReversed().slice(0, maxNamed).join(', ');
  const others = silent.length > maxNamed ? ` and ${silent.length - maxNamed} more` : '';
  const silence = `${silent.length} of ${workspaces} workspaces let nobody but administrators read their metrics: ${named}${others}: bind a user to system:kcp:metrics-reader there`;
  const claims = [...index.claimedPaths()].map(
    ({ path, clusters }) =>
      `${clusters.length} workspaces claim the path ${path}, so none is found by it: correct the annotation kcp.io/path of ${clusters.join(' or ')}`,
  );
  const bindings = granting.map((binding) => ({ layer: `${index.layer} ${binding.cluster ?? ''}`, binding }));
  return [
    at('ok', contents),
    ...[...those([silent.length > 0, silence]), ...claims.slice(0, maxNamed)].map((one) =>
      at('warning', one),
    ),
    ...subjectFindings(bindings, callers).slice(0, maxNamed),
    ...danglingBindingFindings(policy).slice(0, maxNamed),
  ];
}
