import { collectDefaultMetrics } from 'prom-client';
import type { AuditSink } from '../audit/audit-event.js';
import { presentOnly } from '../present-only.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { ServerOptions } from '../server/server-options.js';
import type { WorkspaceExpositions } from '../exposition/workspaces/workspace-expositions.js';
import { healthcheckMetrics, registerCertificateMetrics } from '../telemetry/server-metrics.js';
import { openAuditLog } from './audit-options.js';
import { authorizersOf, pathsAllowedToAll } from './authorization-options.js';
import { delivery, openExpositions } from './exposition-options.js';
import { openFollowedPolicy } from './followed-policy.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { openMaintenance } from './maintenance-options.js';
import { serverKindOf } from './general-options.js';
import { followedFiles, openingOf, type Opener, type Opening } from './starting.js';
import type { GivenOptions } from './option.js';
import { hasPolicy, policySourcesOf } from './policy-options.js';
import { openAccessReview, openTokenReview } from './reviewer-options.js';
import { listening, pathGlobsOf, limitsOf, shutdown } from './serving-options.js';
import { openTls, tls as tlsTopic } from './tls-options.js';
import { flagsInForce } from './start-topics.js';
import { upstreamAddressesOf } from './upstream-options.js';
import { workspaceMetricsOf } from './workspace-options.js';
import { openByCertificate, openServiceAccounts, openTokenFile, tokens } from './authentication-options.js';
import { openVirtualClusterOf } from './virtual-cluster-options.js';
import { openOpenId } from './openid-options.js';

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
    certificates: () => certificates,
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
  openRest: (given: GivenOptions, files: FollowedOptionFiles, asksClients: boolean) => Promise<Serving>,
) {
  const opening = openingOf(opener);
  const { logger, opened, registry, telemetry, shared } = opening;
  const credentialFiles = followedFiles(opener, telemetry);
  const authentication = await openAuthentication(given, { ...opening, files: credentialFiles });
  const { anonymous, requestCertificates } = authentication;
  const serving = await openRest(given, opening.files, requestCertificates);
  const maintenance = await openMaintenance(given, opening);
  const workspaces = workspaceMetricsOf(given);
  const virtualCluster = await openVirtualClusterOf(given, opening);
  const served = await openExpositions(given, opening, virtualCluster, workspaces);
  const { slis, workspaceExpositions, ...expositions } = served;
  // An invalid option fails the start even if no policy needs it.
  authorizersOf(given);
  const webhook = await openAccessReview(given, opening);
  policySourcesOf(given);
  const auditLog = await openAuditLog(given, opening);
  const auditSinks = [auditLog?.write, opener.onAuditEvent].filter((sink) => sink !== undefined);
  const onAuditEvent: AuditSink = (event) => {
    for (const sink of auditSinks) sink(event);
  };
  const open = (): Promise<OpenPolicy | undefined> =>
    shared?.openPolicy(given) ?? openFollowedPolicy(given, opening);
  virtualCluster?.start();
  const policy = opened.add(hasPolicy(given) ? await open() : undefined);
  const authenticators = [...authentication.authenticators, ...(opener.authenticators ?? [])];
  if (authenticators.length === 0) {
    const who = anonymous ? 'every client is anonymous' : 'only always-allowed paths are served';
    logger.warn({}, `no authentication is configured: ${who}`);
  }
  const guard = {
    serverKind: serverKindOf(given),
    ...expositions,
    authenticators,
    anonymous,
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
  const certificates = [...opening.files.certificates, ...credentialFiles.certificates];
  return { serving, guard, registry, slis, certificates };
}

async function workspaceMetrics({ policy }: OpenPolicy, expositions: WorkspaceExpositions) {
  const { workspaceAccess } = await import('../authorization/workspace-access.js');
  return { access: workspaceAccess(policy), expositions };
}

/** The listening address, TLS and limits. @throws UsageError naming the option. */
export async function openServing(
  given: GivenOptions,
  files: FollowedOptionFiles,
  requestCertificates: boolean,
) {
  const { bindAddress, securePort: port } = listening.read(given);
  const globs = await pathGlobsOf(given);
  const limits = limitsOf(given);
  const { shutdownDelayDuration: shutdownDelayMs, shutdownTimeout: shutdownTimeoutMs } = shutdown.read(given);
  const tls = await openTls(given, requestCertificates, files);
  return { bindAddress, port, ...tls, ...globs, ...limits, shutdownDelayMs, shutdownTimeoutMs };
}

/** Who is known, in Kubernetes' order, and whether that needs client certificates. @throws UsageError naming the option. */
export async function openAuthentication(given: GivenOptions, opening: Opening) {
  const { anonymousAuth: anonymous } = tokens.read(given);
  const byCertificate = await openByCertificate(given, opening);
  const authenticators = [
    ...byCertificate,
    await openTokenFile(given, opening),
    await openServiceAccounts(given, opening),
    await openOpenId(given, opening),
    await openTokenReview(given, opening),
  ];
  return {
    authenticators: authenticators.filter((one) => one !== undefined),
    anonymous,
    requestCertificates: byCertificate.some((one) => one !== undefined),
  };
}
