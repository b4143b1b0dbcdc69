import { describe, expect, it } from 'vitest';
import { WorkspaceAuthorizer } from '../../src/authorization/workspace-access.js';
import { effectiveIdentities } from '../../src/policy/index/effective-identities.js';
import { WorkspaceIndex } from '../../src/policy/index/workspace-index.js';
import type { PolicyObject } from '../../src/policy/objects.js';
import { Policy } from '../../src/policy/policy.js';
import { bootstrapObjects } from '../../src/policy/sources/bootstrap.js';
import { parseManifest } from '../../src/policy/sources/manifest.js';
import { identityOf, recordedWorkspaces, workspacesManifestOf, type WorkspacePhase } from './recorded.js';

const { phases } = recordedWorkspaces();

function authorizerOf(phase: WorkspacePhase, besides: readonly PolicyObject[] = []): WorkspaceAuthorizer {
  const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', true);
  const policy = new Policy({ layers: ['bootstrap'], workspaces });
  policy.sink('bootstrap').replace(bootstrapObjects());
  const { objects } = parseManifest(workspacesManifestOf(phase), 'workspaces.json', true);
  policy.sink('workspaces').replace([...objects, ...besides]);
  return new WorkspaceAuthorizer(policy);
}

/** Gives every effective identity of the phase's users access to each workspace. */
function accessForAll({ requests, workspaces }: WorkspacePhase): readonly PolicyObject[] {
  return workspaces.map(({ cluster }) => {
    const identities = requests.flatMap((row) => effectiveIdentities(identityOf(row), cluster) ?? []);
    const names = new Set(identities.map(({ name }) => name));
    return {
      kind: 'ClusterRoleBinding',
      name: 'access-for-all',
      role: 'system:kcp:workspace:access',
      subjects: [...names].map((name) => ({ kind: 'User', name })),
      replicated: false,
      cluster,
    };
  });
}

describe('every recorded decision inside a workspace', () => {
  it.each(phases)('of phase $name: access to the workspace', (phase) => {
    const authorizer = authorizerOf(phase);
    const answers = phase.requests.map(
      (row) =>
        authorizer.decide({ identity: identityOf(row), verb: 'access', path: '/' }, row.cluster).decision ===
        'allow',
    );
    expect(answers).toEqual(phase.requests.map(({ access }) => access));
  });

  // kcp does not ask for access where the path is exactly /metrics.
  it.each(phases)("of phase $name: kcp's own, with access for all where it asks for none", (phase) => {
    const authorizer = authorizerOf(phase);
    const withAccess = authorizerOf(phase, accessForAll(phase));
    const answers = phase.requests.map((row) => {
      const { verb, path, cluster } = row;
      const asked = path === '/metrics' ? withAccess : authorizer;
      return asked.decide({ identity: identityOf(row), verb, path }, cluster).decision === 'allow';
    });
    expect(answers).toEqual(phase.requests.map(({ kcp }) => kcp));
  });

  it.each(phases)('of phase $name: metrics need both, unless access is not asked for', (phase) => {
    const authorizer = authorizerOf(phase);
    const rows = phase.requests.filter(({ path }) => path === '/metrics');
    const allowed = rows.map((row) => {
      const identity = identityOf(row);
      return (
        authorizer.decide({ identity, verb: row.verb, path: row.path }, row.cluster).decision === 'allow'
      );
    });
    const isExempt = (row: (typeof rows)[number]): boolean => {
      const identity = identityOf(row);
      const identities = effectiveIdentities(identity, row.cluster) ?? [];
      const isServiceAccount = identity.name.startsWith('system:serviceaccount:');
      return (
        (isServiceAccount && identities[0] === identity) ||
        identities.some(({ groups }) => groups.includes('system:kcp:logical-cluster-admin'))
      );
    };
    expect(allowed).toEqual(rows.map((row) => row.kcp && (row.access || isExempt(row))));
  });
});
