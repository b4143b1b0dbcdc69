import { collectDefaultMetrics, Registry } from 'prom-client';
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
import { openExpositions } from './exposition/exposition.js';
import { servesSlis } from './exposition/slis-flags.js';
import { FollowedFlagFiles } from './followed-flag-files.js';
import { openFollowedPolicy } from './policy/followed-policy.js';
import type { FlagValues } from './flags.js';
import type { Opened } from './opened.js';
import { checkPolicyFlags } from './policy/policy-flags.js';
import { namesPolicySource } from './policy/policy-source-flags.js';
import { reviewEvents } from './reviews/review-events.js';
import { servingOf } from './serving/serving-flags.js';

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
  const slis = servesSlis(values) ? new Registry() : undefined;
  const files = opened.add(new FollowedFlagFiles(onReload));
  const expositions = await openExpositions(values, { registry, slis, telemetry, logger, files, opened });
  // A flag that cannot be read ends the start even where no policy needs it.
  authorizersOf(values);
  const webhook = await openWebhookAuthorizer(values, reviews, opened);
  checkPolicyFlags(values);
  // A cache server knows no RBAC unless it is told where to find some.
  const hasPolicy = serverKind === 'shard' || namesPolicySource(values);
  const policy = hasPolicy
    ? opened.add(await openFollowedPolicy(values, { registry, telemetry, requests, logger }))
    : undefined;
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
    ...expositions,
    ...(slis === undefined ? {} : { onHealthResult: healthcheckMetrics(slis) }),
    authenticators,
    anonymous,
    alwaysAllowPaths: pathsAllowedToAll(values),
    authorizers: authorizersOf(values, { policy: policy?.policy, webhook }),
    telemetry,
    logger,
    ...(policy === undefined ? {} : { policy }),
  };
}
