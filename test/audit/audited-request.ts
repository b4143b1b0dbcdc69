import type { AuditEvent } from '../../src/audit/audit-event.js';

/** A refused scrape, to be varied. */
export function auditEvent(change: Partial<AuditEvent> = {}): AuditEvent {
  return {
    auditId: '3183cb3f-459f-403c-8693-3d63ef58a617',
    received: new Date('2026-11-21T14:51:59.059Z'),
    completed: new Date('2026-11-21T14:51:59.060Z'),
    verb: 'get',
    path: '/metrics',
    requestUri: '/metrics?a=b&c=d',
    identity: { name: 'mallory', groups: ['g1', 'system:authenticated'], extra: { key: ['value'] } },
    sourceIps: ['127.0.0.1'],
    userAgent: 'Prometheus/3.5.0 <script>',
    code: 403,
    failure: {
      message: 'forbidden: User "mallory" cannot get path "/metrics"',
      reason: 'Forbidden',
      hasDetails: true,
    },
    isClosedEarly: false,
    annotations: { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': '' },
    ...change,
  };
}
