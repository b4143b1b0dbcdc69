import type { ServedZPagesOptions } from '../../server/served-z-pages.js';
import { upstreamAddressesOf } from '../exposition/upstream-flags.js';
import type { FlagValues } from '../flags.js';
import { servesZPages } from './z-pages-flags.js';
import type { ExpiringCertificate } from '../../telemetry/server-metrics.js';

/** What the server's own pages tell of what the flags name; undefined where there are none. @throws UsageError */
export function servedPagesOf(
  values: FlagValues,
  certificates: readonly ExpiringCertificate[],
  isOneOfWorkers: boolean,
): Omit<ServedZPagesOptions, 'flags'> | undefined {
  if (!servesZPages(values)) return undefined;
  return {
    certificates: () =>
      certificates.map(({ flag, file, expiresAt }) => ({ flag, file, expiresAt: expiresAt() })),
    upstreams: upstreamAddressesOf(values),
    isOneOfWorkers,
  };
}
