import { join } from 'node:path';
import { vi } from 'vitest';
import { isAllowed } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import { metricsOf } from './metrics.js';
import { grantPolicyReader } from './policy-reader.js';
import { ServiceAccounts, type ServiceAccount } from './service-accounts.js';

/** An API server that is asked who somebody is and what they may, and who scrapes there. */
export interface DelegatingControlPlane {
  readonly controlPlane: ControlPlane;
  readonly accounts: ServiceAccounts;
  /** Of somebody who may ask, and read the policy. */
  readonly kubeconfig: string;
  /** May get /metrics. */
  readonly prometheus: ServiceAccount;
  /** May get nothing. */
  readonly stranger: ServiceAccount;
  /** Lets somebody get /metrics; resolves when the server says that they may. */
  readonly grant: (account: ServiceAccount) => Promise<void>;
  readonly revoke: (account: ServiceAccount) => Promise<void>;
  /** How often the server was asked so far, by whomever. */
  readonly reviews: (kind: 'tokenreviews' | 'subjectaccessreviews') => Promise<number>;
}

export async function delegatingControlPlane(controlPlane: ControlPlane): Promise<DelegatingControlPlane> {
  const accounts = new ServiceAccounts(controlPlane);
  const { clusterRoles, clusterRoleBindings, tokens } = controlPlane;
  await grantPolicyReader(controlPlane, 'watcher');
  await clusterRoleBindings.create({
    name: 'delegator',
    role: 'system:auth-delegator',
    subjects: [{ kind: 'User', name: 'watcher' }],
  });
  await clusterRoles.create({ name: 'reader', rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }] });
  const prometheus = await accounts.create('monitoring', 'prometheus');
  const delegating: DelegatingControlPlane = {
    controlPlane,
    accounts,
    kubeconfig: controlPlane.kubeconfigFor({
      user: { token: tokens.watcher },
      file: join(controlPlane.directory, 'delegator.kubeconfig'),
    }),
    prometheus,
    stranger: await accounts.create('monitoring', 'stranger'),
    async grant({ namespace, name }) {
      await clusterRoleBindings.create({
        name: `${namespace}-${name}`,
        role: 'reader',
        subjects: [{ kind: 'ServiceAccount', namespace, name }],
      });
      const question = {
        user: `system:serviceaccount:${namespace}:${name}`,
        nonResourceAttributes: { verb: 'get', path: '/metrics' },
      };
      await vi.waitUntil(() => isAllowed(controlPlane, question), { timeout: 60_000, interval: 20 });
    },
    revoke: ({ namespace, name }) => clusterRoleBindings.delete(`${namespace}-${name}`),
    async reviews(kind) {
      const { body } = await controlPlane.request('GET', '/metrics');
      return metricsOf(String(body)).sum('apiserver_request_total', { resource: kind, verb: 'POST' });
    },
  };
  await delegating.grant(prometheus);
  return delegating;
}
