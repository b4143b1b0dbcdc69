import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Exposition } from '../exposition/exposition.js';
import type { ReloadResult } from '../files/followed-files.js';
import type { ServerKind } from '../paths/classify.js';
import type { Logger } from '../server/logger.js';
import type { ServerOptions } from '../server/start-server.js';
import { healthcheckMetrics } from '../instrumentation/healthcheck-metrics.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { RestClientMetrics } from '../telemetry/rest-client-metrics.js';
import { ReviewMetrics } from '../telemetry/review-metrics.js';
import { openAuthentication } from './authentication/authentication.js';
import { authenticationEvents } from './authentication/authentication-events.js';
import { authorizersOf, pathsAllowedToAll } from './authorization/authorization-flags.js';
import { openWebhookAuthorizer } from './authorization/authorization-webhook-flags.js';
import { FollowedFlagFiles } from './followed-flag-files.js';
import { openFollowedPolicy } from './policy/followed-policy.js';
import type { FlagValues } from './flags.js';
import type { Opened } from './opened.js';
import { OutageLog } from './outage-log.js';
import { checkPolicyFlags } from './policy/policy-flags.js';
import { namesPolicySource } from './policy/policy-source-flags.js';
import { registriesOf } from './registries-flags.js';
import { relabelledOf } from './relabelling-flags.js';
import { reviewEvents } from './reviews/review-events.js';
import { servingOf } from './serving-flags.js';
import { expositionOf } from './upstream-flags.js';

/** Reads all that the flags name, and leaves in `opened` what is followed from then on. @throws UsageError */
export async function openServerOptions(
  values: FlagValues,
  serverKind: ServerKind,
  logger: Logger,
  opened: Opened,
): Promise<ServerOptions> {
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const reviews = reviewEvents(logger, new ReviewMetrics(registry), requests);
  const onReload = (flag: string, result: ReloadResult): void => {
    telemetry.fileReload(flag, result.result);
    if (result.result === 'success') logger.info({ flag }, 'file reloaded');
    else logger.error({ flag }, `${result.message}; the file before stays in force`);
  };
  const { authenticators, anonymous, requestCertificates } = opened.add(
    await openAuthentication(values, serverKind, {
      ...authenticationEvents(logger, telemetry, reviews),
      onReload,
    }),
  );
  const { isSelfSigned, ...serving } = await servingOf(values, requestCertificates);
  const own = (registries: readonly Registry[]): Exposition =>
    registriesOf(values, registries, (failure) => {
      telemetry.collectorFailure(failure);
    });
  const upstreamOutage = new OutageLog(logger, { failure: 'the upstream was not scraped' });
  const files = opened.add(new FollowedFlagFiles(onReload));
  const source = opened.add(
    await expositionOf(values, own([registry]), files, (error) => {
      upstreamOutage.failed(error.message);
    }),
  );
  const filterOutage = new OutageLog(logger, {
    failure: 'a scrape could not be filtered',
    recovery: 'scrapes are filtered again',
  });
  const exposition = await relabelledOf(values, source.exposition, files, {
    onScrape: (result, { dropped }) => {
      telemetry.filteredScrape(result, dropped);
      if (result === 'success') filterOutage.answered();
    },
    onFailure: ({ message }) => {
      filterOutage.failed(message);
    },
  });
  // A flag that cannot be read ends the start even where no policy needs it.
  authorizersOf(values);
  const webhook = await openWebhookAuthorizer(values, reviews, opened);
  checkPolicyFlags(values);
  // A cache server knows no RBAC unless it is told where to find some.
  const hasPolicy = serverKind === 'shard' || namesPolicySource(values);
  const policy = hasPolicy
    ? opened.add(await openFollowedPolicy(values, { registry, telemetry, requests, logger }))
    : undefined;
  const slis = new Registry();
  const onHealthResult = healthcheckMetrics(slis);
  if (isSelfSigned)
    logger.warn({}, 'no --tls-cert-file: serving with a self-signed certificate for localhost');
  if (authenticators.length === 0) {
    const who = anonymous ? 'everybody is anonymous' : 'nothing but always-allow paths is answered';
    logger.warn({}, `no flag says who is known: ${who}`);
  }
  collectDefaultMetrics({ register: registry });
  return {
    ...serving,
    serverKind,
    exposition,
    // A cache server of kcp knows no such path.
    otherExpositions:
      serverKind === 'shard' ? new Map([...source.others, ['/metrics/slis', own([slis])]]) : source.others,
    onHealthResult,
    authenticators,
    anonymous,
    alwaysAllowPaths: pathsAllowedToAll(values),
    authorizers: authorizersOf(values, { policy: policy?.policy, webhook }),
    telemetry,
    logger,
    ...(policy === undefined ? {} : { policy }),
  };
}
