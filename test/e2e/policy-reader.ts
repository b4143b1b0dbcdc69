import type { ControlPlane } from './control-plane.js';

/**
 * Lets the user read the policy of a control plane, and nothing else there. May be called again, as after the
 * control plane lost its data.
 */
export async function grantPolicyReader(controlPlane: ControlPlane, user: string): Promise<void> {
  const name = 'policy-reader';
  await controlPlane.clusterRoles.replace({
    name,
    rules: [
      {
        verbs: ['list', 'watch'],
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles', 'clusterrolebindings'],
      },
      // kcp lets nobody into a workspace without it; elsewhere it means nothing.
      { verbs: ['access'], nonResourceURLs: ['/'] },
    ],
  });
  await controlPlane.clusterRoleBindings.replace({
    name,
    role: name,
    subjects: [{ kind: 'User', name: user }],
  });
}
