import { createPathClassifier } from '../../dist/paths/classify.js';
import { nanosecondsPerCall } from './measure.mjs';
import { duration } from './report.mjs';

const kib8 = 8192;

/** Eight KiB is as long a target as this server is likely to be sent by someone who means harm. */
const targets = [
  { what: '/metrics', target: '/metrics', goalNs: 1000 },
  { what: '/clusters/root:org:team/metrics', target: '/clusters/root:org:team/metrics', goalNs: 5000 },
  { what: 'an API path with a query', target: '/api/v1/namespaces/monitoring/pods?limit=500', goalNs: 5000 },
  { what: '8 KiB of /..', target: '/..'.repeat(kib8 / 3), goalNs: 1_000_000 },
  { what: '8 KiB of slashes', target: '/'.repeat(kib8), goalNs: 1_000_000 },
  { what: '8 KiB of %2525', target: `/${'%2525'.repeat(kib8 / 5)}`, goalNs: 1_000_000 },
  { what: '8 KiB of ;/metrics', target: '/;/metrics'.repeat(kib8 / 10), goalNs: 1_000_000 },
  { what: '8 KiB of /clusters/a', target: '/clusters/a'.repeat(kib8 / 11), goalNs: 1_000_000 },
  {
    what: '8 KiB of a cluster name',
    target: `/clusters/${'a-'.repeat(kib8 / 2)}/metrics`,
    goalNs: 1_000_000,
  },
  { what: '8 KiB of cluster names', target: `/clusters/${'a:'.repeat(kib8 / 2)}/metrics`, goalNs: 1_000_000 },
];

/** What each request pays before anyone knows who sends it. */
export function pathsSection() {
  const classify = createPathClassifier({ serverKind: 'shard', endpoints: ['/metrics'] });
  const rows = targets.map(({ what, target, goalNs }) => {
    const batchSize = target.length > 100 ? 4 : 64;
    const { p50, p99 } = nanosecondsPerCall({
      batches: 400,
      // A string of its own each time, as from a socket.
      inputs: () => Array.from({ length: batchSize }, () => Buffer.from(target).toString('latin1')),
      call: classify,
    });
    return {
      what,
      figures: `${duration(p50)} / ${duration(p99)}`,
      goal: `p50 < ${duration(goalNs)}`,
      met: p50 < goalNs,
    };
  });
  return { title: 'Path classification; p50 / p99', rows };
}
