import { audit } from './audit-options.js';
import { authorization } from './authorization-options.js';
import { certificates, serviceAccounts, tokens } from './authentication-options.js';
import { delivery, ownMetrics } from './exposition-options.js';
import { gateway } from './gateway-options.js';
import { general, logging } from './general-options.js';
import { maintenance } from './maintenance-options.js';
import { openid } from './openid-options.js';
import { only, optionsIn, textOf, type GivenOptions, type Option, type OptionsOf } from './option.js';
import { policy, workspaceSources } from './policy-options.js';
import { relabelling } from './relabelling-options.js';
import { accessReview, tokenReview } from './reviewer-options.js';
import { listening, servedPaths, workers, limits, shutdown } from './serving-options.js';
import { tls } from './tls-options.js';
import { callerHeaders, upstreamTls } from './upstream-request-options.js';
import { upstreams } from './upstream-options.js';
import { virtualClusters } from './virtual-cluster-options.js';
import { workspaces } from './workspace-options.js';

/** What is served: the same options for a server and for a filter in an application. */
const sources = [upstreams, upstreamTls, callerHeaders, relabelling, virtualClusters, ownMetrics] as const;

/** Who may read it, and what is recorded of that; the same for both as well. */
const access = [
  certificates,
  tokens,
  serviceAccounts,
  openid,
  tokenReview,
  authorization,
  accessReview,
  policy,
  workspaces,
  workspaceSources,
  audit,
] as const;

/** All options of `start`, in the order of its help and of docs/flags.md. */
export const startTopics = [
  general,
  listening,
  tls,
  servedPaths,
  workers,
  limits,
  maintenance,
  shutdown,
  ...sources,
  delivery,
  gateway,
  ...access,
  logging,
] as const;

export const startOptions: readonly Option[] = optionsIn(startTopics);

/** The same options as a program passes them. */
export type StartOptions = OptionsOf<typeof startTopics>;

/** Those of a filter that an application mounts: all but what only a server of its own can do. */
export const mountedTopics = [
  only(general, 'mode'),
  only(servedPaths, 'ignorePaths'),
  only(limits, 'maxRequestsPerSecondByIdentity', 'maxRequestsPerSecondByAddress'),
  maintenance,
  ...sources,
  only(
    delivery,
    'disableCompression',
    'maxScrapesInFlight',
    'scrapeFreshness',
    'scrapeWriteTimeout',
    'scrapeDeadline',
  ),
  gateway,
  ...access,
] as const;

/** Every option with its value, given or default; empty if there is neither, as in Kubernetes' `/flagz`. */
export function flagsInForce(given: GivenOptions, options: readonly Option[] = startOptions) {
  return options.map((option) => ({ name: option.name.slice(2), value: textOf(option, given) }));
}
