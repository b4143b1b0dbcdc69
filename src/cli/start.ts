import { pino } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { registriesExposition } from '../exposition/registries.js';
import type { AuditSink } from '../http/audit.js';
import type { ServerKind } from '../paths/classify.js';
import { startServer, type RunningServer } from '../server/start-server.js';
import { HeldBackLogger } from './held-back-logger.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { authenticationFlags, authenticationOf } from './authentication-flags.js';
import { parseChoice } from './flag-values.js';
import { valueOf, type Flag, type FlagValues } from './flags.js';
import { authorizationFlags, authorizersOf, pathsAllowedToAll } from './authorization-flags.js';
import { openFollowedPolicy } from './followed-policy.js';
import { checkPolicyFlags, policyKeepingFlags } from './policy-flags.js';
import { namesPolicySource, policySourceFlags } from './policy-source-flags.js';
import { servingFlags, servingOf } from './serving-flags.js';
import { UsageError } from './usage-error.js';

const modes: readonly ServerKind[] = ['shard', 'cache-server'];
const logLevels = ['debug', 'info', 'warn', 'error'] as const;

const mode: Flag = {
  name: '--mode',
  value: 'mode',
  description: `whose path rules apply: ${modes.join(' or ')}; required`,
};
const logLevel: Flag = {
  name: '--log-level',
  value: 'level',
  default: 'info',
  description: `${logLevels.join(', ')}; debug writes one line a request`,
};

/** @throws UsageError naming the flag. */
export function serverKindOf(values: FlagValues): ServerKind {
  const given = valueOf(values, mode);
  if (given === undefined) throw new UsageError(`${mode.name}: required: ${modes.join(' or ')}`);
  return parseChoice(mode.name, given, modes);
}

/** @throws UsageError naming the flag. */
export function logLevelOf(values: FlagValues): (typeof logLevels)[number] {
  return parseChoice(logLevel.name, valueOf(values, logLevel) ?? '', logLevels);
}

export const startFlags: readonly Flag[] = [
  mode,
  ...servingFlags,
  ...authenticationFlags,
  ...authorizationFlags,
  ...policySourceFlags,
  ...policyKeepingFlags,
  logLevel,
];

/**
 * Starts the server the flags describe. Everything is read and checked before it listens.
 *
 * @throws UsageError naming the flag to mend; then nothing listens.
 */
export async function start(
  values: FlagValues,
  { onAuditEvent }: { readonly onAuditEvent?: AuditSink } = {},
): Promise<RunningServer> {
  const serverKind = serverKindOf(values);
  const logger = new HeldBackLogger(
    pino({ name: 'kcp-metrics-filter', level: logLevelOf(values) }, pino.destination({ fd: 2, sync: true })),
  );

  const { authenticators, anonymous, requestCertificates } = authenticationOf(values, serverKind);
  const { isSelfSigned, ...serving } = await servingOf(values, requestCertificates);
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  // A cache server knows no RBAC unless it is told where to find some.
  const hasPolicy = serverKind === 'shard' || namesPolicySource(values);
  // A flag that cannot be read ends the start even where no policy needs it.
  authorizersOf(values, undefined);
  checkPolicyFlags(values);
  const policy = hasPolicy ? await openFollowedPolicy(values, registry, telemetry, logger) : undefined;
  if (isSelfSigned)
    logger.warn({}, 'no --tls-cert-file: serving with a self-signed certificate for localhost');
  if (authenticators.length === 0) {
    logger.warn(
      {},
      `no --client-ca-file, --token-auth-file or --requestheader-client-ca-file: ${anonymous ? 'everybody is anonymous' : 'nothing but always-allow paths is answered'}`,
    );
  }
  collectDefaultMetrics({ register: registry });
  try {
    const server = await startServer({
      ...serving,
      serverKind,
      exposition: registriesExposition({
        registries: [registry],
        onFailure: (failure) => {
          telemetry.collectorFailure(failure);
        },
      }),
      authenticators,
      anonymous,
      alwaysAllowPaths: pathsAllowedToAll(values),
      authorizers: authorizersOf(values, policy?.policy),
      telemetry,
      logger,
      ...(policy === undefined ? {} : { policy }),
      ...(onAuditEvent === undefined ? {} : { onAuditEvent }),
    });
    logger.release();
    logger.info({ url: server.url, mode: serverKind }, 'listening');
    return server;
  } catch (error) {
    await policy?.close();
    if (isAddressFault(error)) throw new UsageError(`--bind-address, --secure-port: ${error.message}`);
    throw error;
  }
}

function isAddressFault(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')
  );
}
