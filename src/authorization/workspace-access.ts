import type { Identity } from '../authentication/identity.js';
import { presentOnly } from '../present-only.js';
import { effectiveIdentities, type EffectiveIdentity } from '../policy/index/effective-identities.js';
import type { Workspace, WorkspaceIndex } from '../policy/index/workspace-index.js';
import { serviceAccountSuffix } from '../policy/objects.js';
import { accepted, anObject, both, checkArgument } from '../option-checks.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { Policy } from '../policy/policy.js';
import { allow, Granted, noOpinion, policyOf, tooManyWarrants, type Decision } from './authorizer.js';

/** A workspace whose metrics somebody may read. */
export interface ReadableWorkspace {
  /** The name of its logical cluster. */
  readonly cluster: string;
  /** Such as `root:org`; a workspace without a LogicalCluster has none, nor has one whose path another claims. */
  readonly path?: string;
}

/** Who may read the metrics of which workspace. */
export interface WorkspaceAccess {
  /** Why nothing can be decided now, or undefined. */
  unavailable(): string | undefined;
  /**
   * The logical cluster behind its name or a workspace's path; undefined for an unknown one, a system workspace, and one
   * that is not ready.
   */
  clusterOf(workspace: string): string | undefined;
  /**
   * Whether the identity may `verb` `/metrics` of a workspace, by its name or path. An unknown one is refused like one that
   * grants nothing, in the same time. The reason names binding, role and workspace.
   */
  authorize(identity: Identity, verb: string, workspace: string): Decision;
  /** The workspaces whose metrics the identity may `get`; undefined for a step that found none. */
  readable(identity: Identity): Generator<ReadableWorkspace | undefined, void, undefined>;
  /** Grows with each change of the policy. */
  readonly version: number;
}

/** What is asked of a workspace. */
interface WorkspaceQuestion {
  readonly identity: Identity;
  readonly verb: string;
  readonly path: string;
}

const adminGroup = 'system:kcp:logical-cluster-admin';
/** Of those with one of these no required group is asked. */
const exemptFromRequired = [adminGroup, 'system:kcp:external-logical-cluster-admin'];
/** Each satisfies whatever is required. */
const alwaysSuffices = ['system:kcp:admin', 'system:kcp:tenancy:workspace-bootstrapper'];

const unknown: Decision = Object.freeze(noOpinion('no such workspace'));
const notRequired: Decision = Object.freeze(noOpinion('not in the groups that the workspace requires'));
const noAccess: Decision = Object.freeze(noOpinion('no access to the workspace'));
const nothingGrants: Decision = Object.freeze(noOpinion());

/**
 * Decides by the policies of the workspaces, in kcp's order.
 *
 * @param opened a Policy, or what `openPolicy` resolves to, opened with `workspaces`.
 */
export function workspaceAccess(opened: Policy | Pick<OpenPolicy, 'policy'>): WorkspaceAccess {
  const hasWorkspaces = accepted((given: typeof opened) => new WorkspaceAuthorizer(policyOf(given)));
  checkArgument(
    'opened',
    opened,
    both(anObject('what openPolicy({ workspaces }) resolves to'), hasWorkspaces),
  );
  const policy = policyOf(opened);
  const authorizer = new WorkspaceAuthorizer(policy);
  const index = authorizer.index;
  return {
    unavailable: () => policy.workspacesUnavailable(),
    clusterOf: (workspace) => index.named(workspace)?.cluster,
    authorize: (identity, verb, workspace) =>
      authorizer.decide({ identity, verb, path: '/metrics' }, workspace),
    *readable(identity) {
      const asked = { identity, verb: 'get', path: '/metrics' };
      for (const workspace of index.known()) {
        const isAllowed = workspace && authorizer.decide(asked, workspace.cluster).decision === 'allow';
        const path = workspace?.logicalCluster?.path;
        // A path that is claimed by others, too, leads nowhere.
        const isItsOwn = path !== undefined && index.named(path) === workspace;
        yield isAllowed === true
          ? presentOnly({ cluster: workspace.cluster, path: isItsOwn ? path : undefined })
          : undefined;
      }
    },
    get version() {
      return index.version;
    },
  };
}

/** kcp's decision on a non-resource request inside one workspace, in kcp's order. */
export class WorkspaceAuthorizer {
  readonly index: WorkspaceIndex;

  /** @throws RangeError where the policy has no workspaces. */
  constructor({ workspaces }: Policy) {
    if (workspaces === undefined) throw new RangeError('open the policy with workspaces');
    this.index = workspaces;
  }

  /** Of a workspace by its name or path. For one that is unknown another is asked, whose answer does not count. */
  decide({ identity, verb, path }: WorkspaceQuestion, nameOrPath: string): Decision {
    const workspace = this.index.named(nameOrPath);
    const decision = this.#decide({ identity, verb, path }, workspace ?? this.index.inPlaceOf(nameOrPath));
    if (workspace === undefined) return unknown;
    if (decision.decision === 'allow') return decision;
    // Here a known workspace makes up for what an unknown name takes, so that both refusals take equally long.
    return this.index.hasStandInFor(nameOrPath) ? decision : unknown;
  }

  #decide({ identity, verb, path }: WorkspaceQuestion, workspace: Workspace): Decision {
    const { cluster } = workspace;
    if (identity.groups.includes('system:masters'))
      return allow(`always allowed to group "system:masters"${whereOf(workspace)()}`);
    const identities = effectiveIdentities(identity, cluster);
    if (identities === undefined) return tooManyWarrants;
    const isServiceAccount = serviceAccountSuffix(identity.name) !== undefined;
    if (!isServiceAccount && !hasRequiredGroups(identities, workspace)) return notRequired;
    // In scope, the caller is the first of its own identities.
    const isAsked = !(isServiceAccount && identities[0] === identity) && !hasGroup(identities, adminGroup);
    if (isAsked && this.index.find(workspace, identities, 'access', '/') === undefined) return noAccess;
    const granting = this.index.find(workspace, identities, verb, path);
    return granting === undefined ? nothingGrants : new Granted(granting, whereOf(workspace));
  }
}

function hasRequiredGroups(identities: readonly EffectiveIdentity[], { requiredGroups }: Workspace): boolean {
  if (requiredGroups === undefined) return true;
  const has = (group: string): boolean => hasGroup(identities, group);
  return (
    exemptFromRequired.some(has) || alwaysSuffices.some(has) || requiredGroups.some((all) => all.every(has))
  );
}

function hasGroup(identities: readonly EffectiveIdentity[], group: string): boolean {
  return identities.some(({ groups }) => groups.includes(group));
}

/** Worded when it is read; the workspace is as it was when it was decided. */
function whereOf({ cluster, logicalCluster }: Workspace): () => string {
  return () => {
    const path = logicalCluster?.path;
    return ` in workspace ${path === undefined ? cluster : `${cluster} (${path})`}`;
  };
}
