import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { linesOf, seriesOf } from '../series.js';
import { healthcheckMetrics } from '../../../src/telemetry/server-metrics.js';

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
