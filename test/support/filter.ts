import { Counter, Registry } from 'prom-client';
import {
  alwaysAllowGroups,
  Policy,
  rbacAuthorizer,
  registriesExposition,
  tokenFileAuthenticator,
  type MetricsFilterOptions,
} from '../../src/index.js';
import { type PolicyObject } from '../../src/server-exports.js';

/** `scraper` may get /metrics by RBAC, `root-admin` may all, `mallory` nothing. */
export const tokens = [
  'scraper-token,scraper,uid-1',
  'mallory-token,mallory,uid-2',
  'admin-token,root-admin,uid-3,"system:masters"',
  '',
].join('\n');

export const scraperPolicy: readonly PolicyObject[] = [
  {
    kind: 'ClusterRole',
    name: 'reader',
    rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics', '/debug/*'] }],
  },
  {
    kind: 'ClusterRoleBinding',
    name: 'scrapers',
    role: 'reader',
    subjects: [{ kind: 'User', name: 'scraper' }],
    replicated: true,
  },
];

export function policyOf(objects: readonly PolicyObject[]): Policy {
  const policy = new Policy({ layers: ['root'] });
  policy.sink('root').replace(objects);
  return policy;
}

export function registryWith(name = 'demo_total'): Registry {
  const registry = new Registry();
  new Counter({ name, help: 'A counter.', registers: [registry] }).inc(3);
  return registry;
}

/** Options of a working filter, to be varied. */
export function filterOptions(overrides: Partial<MetricsFilterOptions> = {}): MetricsFilterOptions {
  return {
    exposition: registriesExposition({ registries: [registryWith()] }),
    authenticators: [tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' })],
    anonymous: true,
    authorizers: [alwaysAllowGroups(['system:masters']), rbacAuthorizer({ policy: policyOf(scraperPolicy) })],
    ...overrides,
  };
}
