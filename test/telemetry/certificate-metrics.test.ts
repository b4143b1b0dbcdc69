import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { expiryOf } from '../../src/options/followed-option-files.js';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { registerCertificateMetrics } from '../../src/telemetry/server-metrics.js';

describe('the metrics of certificates', () => {
  it('say when each expires, as long as that can be told', async () => {
    const registry = new Registry();
    let next: number | undefined = 172_800_000;
    const certificates = [
      { flag: '--tls-cert-file', file: '/tls.crt', expiresAt: () => next },
      { flag: '--client-ca-file', file: '/ca.crt', expiresAt: () => 43_200_000 },
      { flag: '--requestheader-client-ca-file', file: '/proxy.crt', expiresAt: () => undefined },
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
