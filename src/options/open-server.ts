import { collectDefaultMetrics, Registry } from 'prom-client';
import type { SharedByWorkers } from './shared-by-workers.js';
import type { ReloadResult } from '../files/followed-files.js';
import { given as presentOnly } from '../given.js';
import type { ServerKind } from '../paths/classify.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { Logger } from '../server/server-options.js';
import type { ServerOptions } from '../server/server-options.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { RestClientMetrics, ReviewMetrics } from '../telemetry/outgoing-metrics.js';
import { healthcheckMetrics, registerCertificateMetrics } from '../telemetry/server-metrics.js';
import { openAuditLog } from './audit-options.js';
import { authenticationEvents } from './authentication-context.js';
import { openAuthentication } from './authentication.js';
import { authorizersOf, pathsAllowedToAll } from './authorization-options.js';
import { delivery, openExpositions } from './exposition-options.js';
import { openFollowedPolicy } from './followed-policy.js';
import { FollowedOptionFiles } from './followed-option-files.js';
import { limitsOf, shutdown } from './limits-options.js';
import { openMaintenance } from './maintenance-options.js';
import type { Opened } from './opened.js';
import type { GivenOptions } from './option.js';
import { namesPolicySource } from './policy-options.js';
import { policySourcesOf } from './policy-sources.js';
import { openAccessReview } from './reviewer-options.js';
import { reviewEvents } from './reviewer.js';
import { listening, pathGlobsOf } from './serving-options.js';
import { openTls, tls as tlsTopic } from './tls-options.js';
import { flagsInForce } from './start-topics.js';
import { upstreamAddressesOf } from './upstream-options.js';

/** Reads all that the options name, and leaves in `opened` what is followed from then on. @throws UsageError */
export async function openServerOptions(
  given: GivenOptions,
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
    await openAuthentication(given, serverKind, {
      ...authenticationEvents(logger, telemetry, reviews),
      onFollowed,
      onReload,
    }),
  );
  const files = opened.add(new FollowedOptionFiles(onReload, onFollowed));
  const { isSelfSigned, tls, ...serving } = await openServing(given, requestCertificates, files);
  const maintenance = await openMaintenance(given, {
    logger,
    onChange: (isOn) => {
      telemetry.maintenance(isOn);
    },
  });
  if (maintenance !== undefined) opened.add(maintenance);
  const { componentSlis, enableZPages } = delivery.read(given);
  const slis = componentSlis ? new Registry() : undefined;
  const exposed = { registry, slis, telemetry, logger, files, opened, shared };
  const expositions = await openExpositions(given, exposed);
  // An option that cannot be read ends the start even where no policy needs it.
  authorizersOf(given);
  const webhook = await openAccessReview(given, reviews, opened);
  policySourcesOf(given, { onWarning: () => undefined });
  const auditLog = await openAuditLog(given, { registry, logger });
  if (auditLog !== undefined) opened.add(auditLog);
  // A cache server knows no RBAC unless it is told where to find some.
  const hasPolicy = serverKind === 'shard' || namesPolicySource(given);
  const open = (): Promise<OpenPolicy | undefined> =>
    shared?.openPolicy(given) ?? openFollowedPolicy(given, { registry, telemetry, requests, logger });
  const policy = hasPolicy ? await open() : undefined;
  if (policy !== undefined) opened.add(policy);
  if (isSelfSigned) {
    const { name } = tlsTopic.options.tlsCertFile;
    logger.warn({}, `no ${name}: serving with a self-signed certificate for localhost`);
  }
  if (authenticators.length === 0) {
    const who = anonymous ? 'everybody is anonymous' : 'nothing but always-allow paths is answered';
    logger.warn({}, `no flag says who is known: ${who}`);
  }
  const inForce = [...files.certificates, ...certificates];
  registerCertificateMetrics(registry, inForce);
  collectDefaultMetrics({ register: registry });
  return {
    ...serving,
    tls: isSelfSigned ? { ...tls, ...shared?.selfSigned(tls) } : tls,
    serverKind,
    ...expositions,
    authenticators,
    anonymous,
    alwaysAllowPaths: pathsAllowedToAll(given),
    authorizers: authorizersOf(given, { policy: policy?.policy, webhook }),
    telemetry,
    logger,
    ...presentOnly({
      onHealthResult: slis && healthcheckMetrics(slis),
      maintenance,
      onAuditEvent: auditLog?.write,
      policy,
      zPages: enableZPages
        ? {
            flags: flagsInForce(given),
            certificates: () =>
              inForce.map(({ flag, file, expiresAt }) => ({ flag, file, expiresAt: expiresAt() })),
            upstreams: upstreamAddressesOf(given),
            isOneOfWorkers: shared !== undefined,
          }
        : undefined,
    }),
  };
}

/** Where and how is listened. @throws UsageError naming the option. */
export async function openServing(
  given: GivenOptions,
  requestCertificates: boolean,
  files: FollowedOptionFiles,
) {
  const { bindAddress, securePort: port } = listening.read(given);
  const globs = await pathGlobsOf(given);
  const limits = limitsOf(given);
  const { shutdownDelayDuration: shutdownDelayMs, shutdownTimeout: shutdownTimeoutMs } = shutdown.read(given);
  const tls = await openTls(given, requestCertificates, files);
  return { bindAddress, port, ...tls, ...globs, ...limits, shutdownDelayMs, shutdownTimeoutMs };
}
