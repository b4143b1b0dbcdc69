import { Counter, Gauge, type Registry } from 'prom-client';
import { other } from './request-labels.js';

/** The result of one check, in answer to one question for it. */
export interface HealthcheckResult {
  /** As in `/readyz/<name>`. */
  readonly name: string;
  /** The endpoint that asked. */
  readonly type: 'healthz' | 'livez' | 'readyz';
  readonly ok: boolean;
}

/** Is told of every result. */
export type HealthcheckObserver = (result: HealthcheckResult) => void;

const maxNames = 100;

/**
 * Kubernetes' `/metrics/slis` (k8s.io/component-base, metrics/prometheus/slis): the last result of each check, and
 * how often each was had. As there, tell of the checks that `/livez`, `/readyz` or `/healthz` run, and not of those
 * that the question excludes or asks for alone. Beyond a hundred names checks are `other`.
 *
 * @throws Error where the registry already holds one of the names.
 */
export function healthcheckMetrics(registry: Registry): HealthcheckObserver {
  const registers = [registry];
  const healthcheck = new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'This metric records the result of a single healthcheck.',
    // Of several workers: well only where all are.
    aggregator: 'min',
    labelNames: ['name', 'type'],
    registers,
  });
  const healthchecks = new Counter({
    name: 'kubernetes_healthchecks_total',
    help: 'This metric records the results of all healthcheck.',
    labelNames: ['name', 'type', 'status'],
    registers,
  });
  const names = new Set<string>();
  return ({ name: checked, type, ok }) => {
    if (names.size < maxNames) names.add(checked);
    const name = names.has(checked) ? checked : other;
    healthcheck.set({ name, type }, ok ? 1 : 0);
    healthchecks.inc({ name, type, status: ok ? 'success' : 'error' });
  };
}
