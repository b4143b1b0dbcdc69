import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ReloadResult } from '../files/followed-files.js';
import type { ServerKind } from '../paths/classify.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { Logger } from '../server/logger.js';
import type { ServerOptions } from '../server/server-options.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { RestClientMetrics, ReviewMetrics } from '../telemetry/outgoing-metrics.js';
import { openAuditLog } from './audit/audit-log.js';
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
import { openMaintenance } from './serving/maintenance-flags.js';
import { servingOf } from './serving/serving-flags.js';
import { servedPagesOf } from './serving/served-pages.js';
import type { SharedByWorkers } from './shared-by-workers.js';
import { registerCertificateMetrics, healthcheckMetrics } from '../telemetry/server-metrics.js';

/** Reads all that the flags name, and leaves in `opened` what is followed from then on. @throws UsageError */
export async function openServerOptions(
  values: FlagValues,
  serverKind: ServerKind,
  logger: Logger,
  opened: Opened,
  shared?: SharedByWorkers,
): Promise<ServerOptions> {
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const reviews = reviewEvents(logger, new ReviewMetrics(registry), requests);
  const onFollowed = (flag: string): void => {
    telemetry.fileFollowed(flag);
  };
  const onReload = (flag: string, result: ReloadResult): void => {
    telemetry.fileReload(flag, result.result);
    if (result.result === 'success') logger.info({ flag }, 'file reloaded');
    else logger.error({ flag }, `${result.message}; the file before stays in force`);
  };
  const { authenticators, anonymous, requestCertificates, certificates } = opened.add(
    await openAuthentication(values, serverKind, {
      ...authenticationEvents(logger, telemetry, reviews),
      onFollowed,
      onReload,
    }),
  );
  const files = opened.add(new FollowedFlagFiles(onReload, onFollowed));
  const { isSelfSigned, ...serving } = await servingOf(values, requestCertificates, files);
  const maintenance = await openMaintenance(values, {
    logger,
    onChange: (isOn) => {
      telemetry.maintenance(isOn);
    },
  });
  if (maintenance !== undefined) opened.add(maintenance);
  const slis = servesSlis(values) ? new Registry() : undefined;
  const exposed = { registry, slis, telemetry, logger, files, opened, shared };
  const expositions = await openExpositions(values, exposed);
  // A flag that cannot be read ends the start even where no policy needs it.
  authorizersOf(values);
  const webhook = await openWebhookAuthorizer(values, reviews, opened);
  checkPolicyFlags(values);
  const auditLog = openAuditLog(values, { registry, logger });
  if (auditLog !== undefined) opened.add(auditLog);
  // A cache server knows no RBAC unless it is told where to find some.
  const hasPolicy = serverKind === 'shard' || namesPolicySource(values);
  const open = (): Promise<OpenPolicy | undefined> =>
    shared?.openPolicy(values) ?? openFollowedPolicy(values, { registry, telemetry, requests, logger });
  const policy = hasPolicy ? await open() : undefined;
  if (policy !== undefined) opened.add(policy);
  if (isSelfSigned)
    logger.warn({}, 'no --tls-cert-file: serving with a self-signed certificate for localhost');
  if (authenticators.length === 0) {
    const who = anonymous ? 'everybody is anonymous' : 'nothing but always-allow paths is answered';
    logger.warn({}, `no flag says who is known: ${who}`);
  }
  const inForce = [...files.certificates, ...certificates];
  registerCertificateMetrics(registry, inForce);
  const zPages = servedPagesOf(values, inForce, shared !== undefined);
  collectDefaultMetrics({ register: registry });
  return {
    ...serving,
    ...(isSelfSigned && shared !== undefined
      ? { tls: { ...serving.tls, ...shared.selfSigned(serving.tls) } }
      : {}),
    serverKind,
    ...expositions,
    ...(slis === undefined ? {} : { onHealthResult: healthcheckMetrics(slis) }),
    ...(maintenance === undefined ? {} : { maintenance }),
    authenticators,
    anonymous,
    alwaysAllowPaths: pathsAllowedToAll(values),
    authorizers: authorizersOf(values, { policy: policy?.policy, webhook }),
    telemetry,
    logger,
    ...(auditLog === undefined ? {} : { onAuditEvent: auditLog.write }),
    ...(policy === undefined ? {} : { policy }),
    ...(zPages === undefined ? {} : { zPages }),
  };
}
