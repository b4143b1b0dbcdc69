import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { expiryOf } from '../../src/options/followed-option-files.js';
import { createAuthority } from '../support/certificate-authority.js';
import { registerCertificateMetrics, healthcheckMetrics } from '../../src/telemetry/server-metrics.js';
import { linesOf, seriesOf } from './series.js';

describe('the metrics of certificates', () => {
  it('say when each expires, as long as that can be told', async () => {
    const registry = new Registry();
    let next: number | undefined = 172_800_000;
    const certificates = [
      {
        flag: '--tls-cert-file',
        file: '/tls.crt',
        get expiresAt() {
          return next;
        },
      },
      { flag: '--client-ca-file', file: '/ca.crt', expiresAt: 43_200_000 },
      { flag: '--requestheader-client-ca-file', file: '/proxy.crt', expiresAt: undefined },
    ];
    registerCertificateMetrics(registry, certificates);
    const shown = async (): Promise<readonly string[]> =>
      (await registry.metrics())
        .split('\n')
        .filter((line) => line.startsWith('kcp_'))
        .map((line) => line.replace('kcp_metrics_filter_certificate_', ''));
    expect(await shown()).toEqual([
      'expiration_timestamp_seconds{flag="--tls-cert-file",file="/tls.crt"} 172800',
      'expiration_timestamp_seconds{flag="--client-ca-file",file="/ca.crt"} 43200',
    ]);
    next = undefined;
    expect(await shown()).toEqual([
      'expiration_timestamp_seconds{flag="--client-ca-file",file="/ca.crt"} 43200',
    ]);
  });

  it('go by the certificate of a file that expires first', async () => {
    const expiring = async (time: number): Promise<string> =>
      (await createAuthority({ commonName: 'ca', notAfter: new Date(time) })).certificatePem;
    const [soon, later] = [1_900_000_000_000, 2_000_000_000_000];
    let pem = `${await expiring(later)}${await expiring(soon)}`;
    const expiresAt = expiryOf(() => pem);
    expect([expiresAt(), expiresAt()]).toEqual([soon, soon]);
    pem = await expiring(later);
    expect(expiresAt()).toBe(later);
    pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(expiresAt()).toBeUndefined();
    pem = '';
    expect(expiresAt()).toBeUndefined();
  });
});

describe('the results of health checks', () => {
  it('are the last one, and how often each was had', async () => {
    const registry = new Registry();
    const observe = healthcheckMetrics(registry);
    for (const ok of [false, true, true]) observe({ name: 'policy', type: 'readyz', ok });
    observe({ name: 'policy', type: 'livez', ok: false });
    expect(await linesOf(registry)).toEqual([
      'kubernetes_healthcheck{name="policy",type="readyz"} 1',
      'kubernetes_healthcheck{name="policy",type="livez"} 0',
      'kubernetes_healthchecks_total{name="policy",type="readyz",status="error"} 1',
      'kubernetes_healthchecks_total{name="policy",type="readyz",status="success"} 2',
      'kubernetes_healthchecks_total{name="policy",type="livez",status="error"} 1',
    ]);
  });

  it('have a hundred names, and others', async () => {
    const registry = new Registry();
    const observe = healthcheckMetrics(registry);
    for (let at = 0; at < 1000; at += 1) observe({ name: `check-${at}`, type: 'livez', ok: true });
    observe({ name: 'check-0', type: 'livez', ok: true });
    expect(await seriesOf(registry)).toHaveLength(202);
    const lines = await linesOf(registry);
    expect(lines).toContain('kubernetes_healthchecks_total{name="other",type="livez",status="success"} 900');
    expect(lines).toContain('kubernetes_healthchecks_total{name="check-0",type="livez",status="success"} 2');
  });
});
