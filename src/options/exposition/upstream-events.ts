import type { Registry } from 'prom-client';
import type { Logger } from '../../server/logger.js';
import { OutageLog } from '../outage-log.js';
import type { UpstreamEvents } from './upstream-flags.js';
import { UpstreamMetrics } from '../../telemetry/outgoing-metrics.js';

/** Failures of upstreams, logged upstream by upstream, and counted in the registry. */
export function upstreamEvents(registry: Registry, logger: Logger): UpstreamEvents {
  const metrics = new UpstreamMetrics(registry);
  const outages = new Map<string, OutageLog>();
  const outageOf = (upstream: string, failure: string): OutageLog => {
    const key = `${failure} ${upstream}`;
    const outage = outages.get(key) ?? new OutageLog(logger, { failure });
    outages.set(key, outage);
    return outage;
  };
  return {
    onFailure: (upstream, error) => {
      metrics.failure(upstream, error.status === 504 ? 'timeout' : 'unavailable');
      outageOf(upstream, 'the upstream was not scraped').failed(error.message);
    },
    onMemberFailure: ({ member, reason, error }) => {
      metrics.failure(member, reason);
      outageOf(member, 'the upstream was not scraped').failed(error.message);
    },
    onNoTenant: ({ fault, detail }) => {
      metrics.withoutTenant(fault);
      outageOf('', 'a scrape was refused, without a tenant').failed(detail);
    },
    onLeftOut: (leftOut) => {
      metrics.leftOut(leftOut);
      const { member, family, cause } = leftOut;
      const why =
        cause === 'conflict' ? 'contradicts an upstream before it' : 'has series that are there already';
      outageOf(member, 'not all of an upstream was merged').failed(`${member}: ${family} ${why}`);
    },
  };
}
