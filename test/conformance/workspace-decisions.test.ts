import { dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { WorkspaceAuthorizer } from '../../src/authorization/workspace-access.js';
import { effectiveIdentities } from '../../src/policy/index/effective-identities.js';
import { WorkspaceIndex } from '../../src/policy/index/workspace-index.js';
import type { PolicyObject } from '../../src/policy/objects.js';
import { Policy } from '../../src/policy/policy.js';
import { bootstrapObjects } from '../../src/policy/sources/bootstrap.js';
import { parseManifest } from '../../src/policy/sources/manifest.js';
import { keyPairOf, RawClient } from '../support/raw-tls.js';
import { createRecordedPki, type RecordedPki } from '../support/recorded-pki.js';
import { runCli, startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  identityOf,
  recordedWorkspaces,
  remoteHeaders,
  workspacesManifestOf,
  type WorkspacePhase,
  type WorkspaceRow,
} from './recorded.js';

const { phases } = recordedWorkspaces();

type Question = Pick<WorkspaceRow, 'verb' | 'path'>;

const accessQuestion: Question = { verb: 'access', path: '/' };

/** kcp asks for access everywhere but at `/metrics`, where it is asked for here. */
function isAllowed(row: WorkspaceRow): boolean {
  if (row.path !== '/metrics' || row.access) return row.kcp;
  const identity = identityOf(row);
  const identities = effectiveIdentities(identity, row.cluster) ?? [];
  const isServiceAccount = identity.name.startsWith('system:serviceaccount:');
  const isExempt =
    (isServiceAccount && identities[0] === identity) ||
    identities.some(({ groups }) => groups.includes('system:kcp:logical-cluster-admin'));
  return row.kcp && isExempt;
}

const manifests = new Map(phases.map((phase) => [phase, workspacesManifestOf(phase)]));

function authorizerOf(phase: WorkspacePhase, besides: readonly PolicyObject[] = []): WorkspaceAuthorizer {
  const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', true);
  const policy = new Policy({ layers: ['bootstrap'], workspaces });
  policy.sink('bootstrap').replace(bootstrapObjects());
  const { objects } = parseManifest(manifests.get(phase) ?? '', 'workspaces.json', true);
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

describe('every recorded decision inside a workspace, through can-i -f', () => {
  const directory = temporaryDirectory();

  it.each(phases)('of phase $name is the same', async (phase) => {
    const file = directory.write('workspaces.json', manifests.get(phase) ?? '');
    const reviews = phase.requests.flatMap(
      ({ cluster, user: { name, groups = [], extra = {} }, verb, path }) =>
        [{ verb, path }, accessQuestion].map((nonResourceAttributes) => ({
          kind: 'SubjectAccessReview',
          apiVersion: 'authorization.k8s.io/v1',
          metadata: { annotations: { 'kcp.io/cluster': cluster } },
          spec: { user: name, groups, extra, nonResourceAttributes },
        })),
    );
    const questions = temporaryDirectory();
    const asked = questions.write('reviews.json', reviews.map((review) => JSON.stringify(review)).join('\n'));
    const { code, stdout } = await runCli(['can-i', `--workspace-rbac-dir=${dirname(file)}`, '-f', asked]);
    expect(code).toBe(0);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status: { allowed: boolean } }).status.allowed);
    const expected = phase.requests.flatMap((row) => [isAllowed(row), row.access]);
    expect(answers).toEqual(expected);
  });
});

describe('every recorded decision on /metrics inside a workspace, as a scrape from a front proxy', () => {
  const methods = new Set(['get', 'head', 'post', 'put', 'delete']);
  let pki: RecordedPki;
  beforeAll(async () => {
    pki = await createRecordedPki(temporaryDirectory());
  });

  it.each(phases)('of phase $name is the same', async (phase) => {
    const policy = temporaryDirectory();
    policy.write('workspaces.json', manifests.get(phase) ?? '');
    const server = await startCli([
      ...['--mode=shard', '--workspace-metrics', `--workspace-rbac-dir=${policy.path}`],
      ...pki.flags,
    ]);
    const client = new RawClient({ port: server.port, ...keyPairOf(pki.certificates['front-proxy']) });
    // A front proxy's user is always authenticated, or says otherwise.
    const rows = phase.requests.filter(
      ({ path, verb, user: { groups = [] } }) =>
        path === '/metrics' &&
        methods.has(verb) &&
        groups.some((group) => /^system:(?:un)?authenticated$/.test(group)),
    );
    const answers = [];
    for (const { cluster, verb, user } of rows) {
      const how = { method: verb.toUpperCase(), headers: remoteHeaders(user) };
      answers.push((await client.request(`/clusters/${cluster}/metrics`, how)).status);
    }
    client.close();
    expect(await server.stop()).toBe(0);
    const served = (verb: string): number => (verb === 'get' || verb === 'head' ? 200 : 405);
    expect(answers).toEqual(rows.map((row) => (isAllowed(row) ? served(row.verb) : 403)));
  });
});

describe.each(phases)('every recorded decision inside a workspace of phase $name', (phase) => {
  const { requests } = phase;
  const authorizer = authorizerOf(phase);
  const isAllowedBy = (asked: WorkspaceAuthorizer, row: WorkspaceRow, { verb, path }: Question): boolean =>
    asked.decide({ identity: identityOf(row), verb, path }, row.cluster).decision === 'allow';

  it('access to the workspace', () => {
    const answers = requests.map((row) => isAllowedBy(authorizer, row, accessQuestion));
    expect(answers).toEqual(requests.map(({ access }) => access));
  });

  // kcp does not ask for access where the path is exactly /metrics.
  it("kcp's own, with access for all where it asks for none", () => {
    const withAccess = authorizerOf(phase, accessForAll(phase));
    const answers = requests.map((row) =>
      isAllowedBy(row.path === '/metrics' ? withAccess : authorizer, row, row),
    );
    expect(answers).toEqual(requests.map(({ kcp }) => kcp));
  });

  it('metrics need both, unless access is not asked for', () => {
    expect(requests.map((row) => isAllowedBy(authorizer, row, row))).toEqual(requests.map(isAllowed));
  });
});
