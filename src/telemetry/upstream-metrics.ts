import { Counter, type Registry } from 'prom-client';
import type { LeftOut, MemberFault } from '../exposition/merging/member.js';
import type { TenantFault } from '../exposition/exposition-errors.js';

const prefix = 'kcp_metrics_filter';

/**
 * What went wrong with upstreams. They are called as the configuration calls them: by a name, or by the path that
 * serves one alone.
 */
export class UpstreamMetrics {
  readonly #failures: Counter<'upstream' | 'reason'>;
  readonly #unmergedSeries: Counter<'upstream' | 'reason'>;
  readonly #withoutTenant: Counter<'reason'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    this.#failures = new Counter({
      name: `${prefix}_upstream_failures_total`,
      help: 'Scrapes that got nothing of an upstream, or not all of it, by upstream and reason; the log says more.',
      labelNames: ['upstream', 'reason'],
      registers,
    });
    this.#unmergedSeries = new Counter({
      name: `${prefix}_unmerged_series_total`,
      help: 'Series of an upstream that were left out beside those of others, by upstream and reason.',
      labelNames: ['upstream', 'reason'],
      registers,
    });
    this.#withoutTenant = new Counter({
      name: `${prefix}_scrapes_without_tenant_total`,
      help: 'Scrapes that were refused since their tenant was not sure, by reason.',
      labelNames: ['reason'],
      registers,
    });
  }

  failure(upstream: string, reason: MemberFault): void {
    this.#failures.inc({ upstream, reason });
  }

  withoutTenant(fault: TenantFault): void {
    this.#withoutTenant.inc({ reason: fault });
  }

  leftOut({ member, cause, series }: LeftOut): void {
    this.#unmergedSeries.inc({ upstream: member, reason: cause }, series);
  }
}
