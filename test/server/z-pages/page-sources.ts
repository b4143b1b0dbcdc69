import type { ServerStatus } from '../../../src/server/z-pages/server-status.js';
import type { ZPageSources } from '../../../src/server/z-pages/z-page.js';

/** When the pages of tests are asked for. */
export const now = Date.parse('2026-11-21T12:00:00Z');

export const status: ServerStatus = {
  version: '1.2.3',
  mode: 'shard',
  startedAt: now - 3_661_000,
  policy: [
    {
      layer: 'root',
      state: 'stale',
      reason: 'connection lost',
      ageMs: 754_000,
      inForce: true,
      clusterRoles: 12,
      clusterRoleBindings: 34,
    },
    {
      layer: 'cache',
      state: 'syncing',
      ageMs: 0,
      inForce: false,
      clusterRoles: 0,
      clusterRoleBindings: 0,
    },
  ],
  certificates: [
    { flag: '--tls-cert-file', file: '/etc/tls.crt', expiresAt: now + 12.5 * 86_400_000 },
    { flag: '--client-ca-file', file: '', expiresAt: undefined },
  ],
  authenticators: ['client-certificate', 'token-file'],
  authorizers: ['AlwaysAllowGroups', 'RBAC'],
  refusals: [{ reason: 'token-file: unknown token', code: 401, count: 2, lastAt: now - 5000 }],
  upstreams: [{ name: '/metrics', url: 'http://user:hunter2@127.0.0.1:8080/metrics?token=hunter2' }],
};

export const sources: ZPageSources = {
  component: 'kcp-metrics-filter',
  status: () => status,
  flags: () => [
    { name: 'upstream', value: 'http://user:hunter2@127.0.0.1:8080' },
    { name: 'mode', value: 'shard' },
    { name: 'bearer-token', value: 'hunter2' },
    { name: 'config', value: '' },
  ],
  paths: ['/metrics', '/metrics/filter', '/livez', '/readyz'],
};
