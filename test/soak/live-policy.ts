import { join } from 'node:path';
import { isSkipped, missing } from '../e2e/binaries.js';
import { startControlPlane, type ControlPlane } from '../e2e/control-plane.js';
import { grantPolicyReader } from '../e2e/policy-reader.js';
import { Expected } from './expected.js';
import type { Secrets } from '../support/secrets.js';

/** The part of the policy that a real kube-apiserver has. */
export interface LivePolicy {
  readonly controlPlane: ControlPlane;
  readonly flags: readonly string[];
  /** Whether `live-bound` may scrape. */
  readonly bound: Expected<number>;
  readonly bind: (isBound: boolean) => Promise<void>;
}

/** Undefined where there is no kube-apiserver, and says so. */
export async function startLivePolicy(secrets: Secrets): Promise<LivePolicy | undefined> {
  if (isSkipped) {
    process.stdout.write(`test/soak is run without an API server: ${missing ?? ''}\n`);
    return undefined;
  }
  const controlPlane = await startControlPlane();
  const { clusterRoles, clusterRoleBindings, directory, tokens } = controlPlane;
  await grantPolicyReader(controlPlane, 'watcher');
  const role = 'scraper';
  await clusterRoles.replace({ name: role, rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }] });
  const bindUser = async (name: string): Promise<void> => {
    await clusterRoleBindings.replace({ name, role, subjects: [{ kind: 'User', name }] });
  };
  await bindUser('live-steady');
  await bindUser('live-bound');
  const kubeconfig = controlPlane.kubeconfigFor({
    user: { token: secrets.add(tokens.watcher) },
    file: join(directory, 'soak.kubeconfig'),
  });
  const bound = new Expected(200);
  return {
    controlPlane,
    flags: [`--root-kubeconfig=${kubeconfig}`, `--policy-snapshot=${join(directory, 'policy.snapshot')}`],
    bound,
    bind: (isBound) =>
      bound.turnsTo(isBound ? 200 : 403, () =>
        isBound ? bindUser('live-bound') : clusterRoleBindings.delete('live-bound'),
      ),
  };
}
