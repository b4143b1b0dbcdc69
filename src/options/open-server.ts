import { collectDefaultMetrics, Registry } from 'prom-client';
import type { AuditSink } from '../audit/audit-event.js';
import type { Authenticator } from '../authentication/authenticator.js';
import type { RegistriesExpositionOptions } from '../exposition/sources/registries-exposition.js';
import type { ReloadResult } from '../files/followed-files.js';
import { presentOnly } from '../present-only.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { ServerOptions } from '../server/server-options.js';
import type { WorkspaceExpositions } from '../exposition/workspaces/workspace-expositions.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { RestClientMetrics, ReviewMetrics } from '../telemetry/outgoing-metrics.js';
import { healthcheckMetrics, registerCertificateMetrics } from '../telemetry/server-metrics.js';
import { openAuditLog } from './audit-options.js';
import { authenticationEvents, type AuthenticationContext, reviewEvents } from './option-events.js';
import { authorizersOf, pathsAllowedToAll } from './authorization-options.js';
import { delivery, openExpositions, type SharedByWorkers } from './exposition-options.js';
import { openFollowedPolicy } from './followed-policy.js';
import { FollowedOptionFiles } from './followed-option-files.js';
import { openMaintenance } from './maintenance-options.js';
import { serverKindOf } from './general-options.js';
import type { Opening } from './starting.js';
import type { GivenOptions } from './option.js';
import { hasPolicy, policySourcesOf } from './policy-options.js';
import { openAccessReview, openTokenReview } from './reviewer-options.js';
import { listening, pathGlobsOf, limitsOf, shutdown } from './serving-options.js';
import { openTls, tls as tlsTopic } from './tls-options.js';
import { flagsInForce } from './start-topics.js';
import { upstreamAddressesOf } from './upstream-options.js';
import { workspaceMetricsOf } from './workspace-options.js';
import {
  openClientCertificates,
  openFrontProxy,
  openServiceAccounts,
  openTokenFile,
  tokens,
} from './authentication-options.js';
import { openVirtualClusterOf } from './virtual-cluster-options.js';
import { openOpenId } from './openid-options.js';

/** Who opens the options, and what is theirs. */
export interface Opener extends Pick<Opening, 'logger' | 'opened'> {
  readonly shared?: SharedByWorkers | undefined;
  /** Served beside the filter's own metrics. Default: none. */
  readonly registers?: RegistriesExpositionOptions['registries'];
  /** Asked behind those of the options. Default: none. */
  readonly authenticators?: readonly Authenticator[];
  /** Told of each audit event behind the audit log. */
  readonly onAuditEvent?: AuditSink | undefined;
  readonly policyWaitMs?: number;
}

/** Opens everything that the options of the ready server name. @throws UsageError */
export async function openServerOptions(given: GivenOptions, opener: Opener): Promise<ServerOptions> {
  const { logger, shared } = opener;
  const { serving, guard, registry, slis, certificates } = await openGuardOptions(given, opener, openServing);
  const { isSelfSigned, tls, ...address } = serving;
  if (isSelfSigned) {
    const { name } = tlsTopic.options.tlsCertFile;
    logger.warn({}, `no ${name}: serving with a self-signed certificate for localhost`);
  }
  registerCertificateMetrics(registry, certificates);
  collectDefaultMetrics({ register: registry });
  const zPages = {
    flags: flagsInForce(given),
    certificates: () => certificates.map((one) => ({ ...one, expiresAt: one.expiresAt() })),
    upstreams: upstreamAddressesOf(given),
    isOneOfWorkers: shared !== undefined,
  };
  return {
    ...address,
    ...guard,
    tls: isSelfSigned ? { ...tls, ...shared?.selfSigned(tls) } : tls,
    logger,
    ...(delivery.read(given).enableZPages && { zPages }),
    ...(slis && { onHealthResult: healthcheckMetrics(slis) }),
  };
}

/**
 * Opens what the options say of the guard and of what it serves; `openRest` opens the rest, before anything asks
 * another server.
 */
export async function openGuardOptions<Serving>(
  given: GivenOptions,
  opener: Opener,
  openRest: (given: GivenOptions, asksClients: boolean, files: FollowedOptionFiles) => Promise<Serving>,
) {
  const { logger, opened, shared, registers = [], authenticators = [], policyWaitMs: waitMs } = opener;
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const reviews = reviewEvents(logger, new ReviewMetrics(registry), requests);
  const onFollowed = telemetry.fileFollowed.bind(telemetry);
  const onReload = (flag: string, result: ReloadResult): void => {
    telemetry.fileReload(flag, result.result);
    if (result.result === 'success') logger.info({ flag }, 'file reloaded');
    else logger.error({ flag }, `${result.message}; the previous content stays in force`);
  };
  const credentialFiles = opened.add(new FollowedOptionFiles(onReload, onFollowed));
  const { requestCertificates, ...authentication } = await openAuthentication(given, {
    files: credentialFiles,
    events: authenticationEvents(logger, telemetry, reviews),
    opened,
  });
  const files = opened.add(new FollowedOptionFiles(onReload, onFollowed));
  const serving = await openRest(given, requestCertificates, files);
  const maintenance = opened.add(await openMaintenance(given, logger, telemetry.maintenance.bind(telemetry)));
  const slis = delivery.read(given).componentSlis ? new Registry() : undefined;
  const workspaces = workspaceMetricsOf(given);
  const virtualCluster = opened.add(await openVirtualClusterOf(given, { registry, requests, logger }));
  const exposed = {
    ...{ registry, registers, slis, telemetry, logger, files, opened, shared, workspaces },
    virtualCluster,
  };
  const { workspaceExpositions, ...expositions } = await openExpositions(given, exposed);
  // An invalid option fails the start even if no policy needs it.
  authorizersOf(given);
  const webhook = await openAccessReview(given, reviews, opened);
  policySourcesOf(given, { onWarning: () => undefined });
  const auditLog = opened.add(await openAuditLog(given, { registry, logger }));
  const auditSinks = [auditLog?.write, opener.onAuditEvent].filter((sink) => sink !== undefined);
  const onAuditEvent: AuditSink = (event) => {
    for (const sink of auditSinks) sink(event);
  };
  const open = (): Promise<OpenPolicy | undefined> =>
    shared?.openPolicy(given) ?? openFollowedPolicy(given, { registry, telemetry, requests, logger, waitMs });
  virtualCluster?.start();
  const policy = opened.add(hasPolicy(given) ? await open() : undefined);
  const all = [...authentication.authenticators, ...authenticators];
  if (all.length === 0) {
    const who = authentication.anonymous
      ? 'every client is anonymous'
      : 'only always-allowed paths are served';
    logger.warn({}, `no authentication is configured: ${who}`);
  }
  const guard = {
    serverKind: serverKindOf(given),
    ...expositions,
    authenticators: all,
    anonymous: authentication.anonymous,
    alwaysAllowPaths: pathsAllowedToAll(given),
    authorizers: authorizersOf(given, { policy: policy?.policy, webhook }),
    telemetry,
    ...presentOnly({
      maintenance,
      onAuditEvent: auditSinks.length > 0 ? onAuditEvent : undefined,
      policy,
      virtualCluster,
      workspaceMetrics:
        policy && workspaceExpositions && (await workspaceMetrics(policy, workspaceExpositions)),
    }),
  };
  const certificates = [...files.certificates, ...credentialFiles.certificates];
  return { serving, guard, registry, slis, certificates };
}

async function workspaceMetrics({ policy }: OpenPolicy, expositions: WorkspaceExpositions) {
  const { workspaceAccess } = await import('../authorization/workspace-access.js');
  return { access: workspaceAccess(policy), expositions };
}

/** The listening address, TLS and limits. @throws UsageError naming the option. */
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

/** Who is known, in Kubernetes' order, and whether that needs client certificates. @throws UsageError naming the option. */
export async function openAuthentication(given: GivenOptions, context: AuthenticationContext) {
  const { anonymousAuth: anonymous } = tokens.read(given);
  const byCertificate = [await openFrontProxy(given, context), await openClientCertificates(given, context)];
  const authenticators = [
    ...byCertificate,
    await openTokenFile(given, context),
    await openServiceAccounts(given, context),
    await openOpenId(given, context),
    await openTokenReview(given, context),
  ];
  return {
    authenticators: authenticators.filter((one) => one !== undefined),
    anonymous,
    requestCertificates: byCertificate.some((one) => one !== undefined),
  };
}
