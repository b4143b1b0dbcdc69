import { beforeEach, describe, expect, it } from 'vitest';
import { callersOf } from '../../../src/cli/doctor/callers.js';
import { checkApiServerSource } from '../../../src/cli/doctor/source-checks.js';
import { workspaceFindings } from '../../../src/cli/doctor/workspace-checks.js';
import { policySourcesOf } from '../../../src/options/policy-options.js';
import { RootServer } from '../../support/root-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { saidIn } from './levels.js';

describe('the policies of workspaces', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = temporaryDirectory();
  });

  const findings = async (given: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const sources = policySourcesOf(given, { onWarning: () => undefined });
    return saidIn(await workspaceFindings(sources, true, callersOf({})));
  };

  it('are counted; workspaces that let nobody read, paths of several, and subjects and roles that are nobody and nothing, are told', async () => {
    const annotations = (cluster: string): string => `annotations: {kcp.io/cluster: ${cluster}}`;
    const binding = (cluster: string, name: string, role: string, subject: string): string =>
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: ${name}, ${annotations(cluster)}}\n` +
      `roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "${role}"}\nsubjects: [${subject}]\n---\n`;
    const logicalCluster = (cluster: string, path: string): string =>
      `apiVersion: core.kcp.io/v1alpha1\nkind: LogicalCluster\n` +
      `metadata: {name: cluster, annotations: {kcp.io/cluster: ${cluster}, kcp.io/path: "${path}"}}\n---\n`;
    directory.write(
      'workspaces.yaml',
      binding('c1', 'metrics', 'system:kcp:metrics-reader', '{kind: User, name: " ann"}') +
        binding('c2', 'admin', 'cluster-admin', '{kind: User, name: ann}') +
        binding('c3', 'lost', 'missing', '{kind: User, name: ann}') +
        ['c1', 'c2'].map((cluster) => logicalCluster(cluster, 'root:a')).join(''),
    );
    expect(await findings({ workspaceRbacDir: directory.path })).toEqual([
      'ok: has 3 workspaces, with 0 ClusterRoles and 3 ClusterRoleBindings',
      'warning: 2 of 3 workspaces let nobody but administrators read their metrics: root:a, c3: bind a user to system:kcp:metrics-reader there',
      'warning: 2 workspaces claim the path root:a, so none is found by it: correct the annotation kcp.io/path of c1 or c2',
      'warning: User " ann" has white space at the beginning or end of its name: it matches no client',
      'warning: names ClusterRole "missing", which does not exist, so it grants nothing: create the role or remove the binding',
    ]);
    directory.write('broken.yaml', 'kind: ClusterRole\n');
    expect(await findings({ workspaceRbacDir: directory.path })).toEqual([
      expect.stringMatching(/^error: .*broken\.yaml:1: /),
    ]);
    expect(await findings({})).toEqual([]);
  });

  it('need a user of system:masters, who may list and watch all three kinds', async () => {
    const server = await RootServer.start();
    try {
      server.base = String.raw`/clusters/\*`;
      const check = () =>
        checkApiServerSource(
          { role: 'workspaces', subject: 'x', kubeconfig: server.kubeconfig, basePath: '/clusters/*' },
          Date.now(),
        );
      expect(saidIn((await check()).server ?? [])).toEqual([
        expect.stringMatching(/ClusterRoleBindings and LogicalClusters of all workspaces, and answers in/),
      ]);
      server.script = {
        onRead: (resource) => (resource === 'logicalclusters' ? { status: 403 } : undefined),
      };
      const { isReadable, server: refused } = await check();
      expect(isReadable).toBe(false);
      expect(saidIn(refused ?? [])).toEqual([
        expect.stringMatching(
          /cannot list logicalclusters, watch logicalclusters, 403 .*only system:masters/,
        ),
      ]);
    } finally {
      await server.stop();
    }
  });
});
