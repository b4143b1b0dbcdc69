import type { OpenMetricsFilter, OpenMetricsFilterOptions } from './mounted-filter.js';

/**
 * Guards and serves `/metrics` of an application by the options of the command line:
 *
 * ```js
 * app.use(await openMetricsFilter({ registers: [register], tokenAuthFile: 'tokens.csv', rbacDir: 'rbac' }));
 * ```
 *
 * Files are followed and swapped as by the ready server. Resolves once the policy is loaded, or after 10 s while a
 * policy's API server does not answer. Mount it at the root, before any router.
 *
 * @throws MetricsFilterOptionError naming the option; then nothing is left open.
 */
export async function openMetricsFilter(options: OpenMetricsFilterOptions): Promise<OpenMetricsFilter> {
  const { openMountedFilter } = await import('./mounted-filter.js');
  return openMountedFilter(options);
}
