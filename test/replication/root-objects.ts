import {
  decodeBinding,
  decodeRole,
  bootstrapRoleGrants,
  type RootBinding,
  type RootPolicy,
  type RootRole,
} from '../../src/replication/root-objects.js';
import { bootstrapPolicy } from '../../src/policy/sources/bootstrap.js';
import type { SentObject } from '../support/root-server.js';

export const bootstrap = bootstrapRoleGrants(bootstrapPolicy());

export interface Rule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly resources?: readonly string[];
}

export const getMetrics: Rule = { verbs: ['get'], nonResourceURLs: ['/metrics'] };
export const getPods: Rule = { verbs: ['get'], resources: ['pods'] };

const metadata = (name: string, replicate?: string): SentObject['metadata'] => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  annotations: {
    'kcp.io/cluster': 'root',
    ...(replicate === undefined ? {} : { 'internal.kcp.io/replicate': replicate }),
  },
});

export const sentRole = (name: string, rules: readonly Rule[], replicate?: string): SentObject =>
  Object.assign({ metadata: metadata(name, replicate) }, { rules });

export const sentBinding = (
  name: string,
  role: string,
  { replicate, subjects = ['prometheus'] }: { replicate?: string; subjects?: readonly string[] } = {},
): SentObject =>
  Object.assign(
    { metadata: metadata(name, replicate) },
    {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: subjects.map((subject) => ({
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'User',
        name: subject,
      })),
    },
  );

export const rootRole = (...sent: Parameters<typeof sentRole>): RootRole => decodeRole(sentRole(...sent));
export const rootBinding = (...sent: Parameters<typeof sentBinding>): RootBinding =>
  decodeBinding(sentBinding(...sent));

export const rootPolicy = (objects: readonly (RootRole | RootBinding)[]): RootPolicy => {
  const roles = new Map<string, RootRole>();
  const bindings = new Map<string, RootBinding>();
  for (const object of objects) {
    if (object.kind === 'ClusterRole') roles.set(object.name, object);
    else bindings.set(object.name, object);
  }
  return { roles, bindings };
};
