import type { AuditSink } from '../audit/audit-event.js';
import { bearerTokenAuthenticator, type BearerToken } from '../authentication/tokens/token-file.js';
import type { RegistriesExpositionOptions } from '../exposition/sources/registries-exposition.js';
import { presentOnly } from '../present-only.js';
import {
  aFunction,
  checkOptions,
  aLogger,
  aRegister,
  listOf,
  MetricsFilterOptionError,
  must,
  optional,
  type Check,
} from '../option-checks.js';
import { mountedGuard, type Handler, type RequestRefusal } from '../request/guard.js';
import type { Maintenance } from '../request/steps/refuse-in-maintenance.js';
import { readinessChecks } from '../server/health.js';
import type { Logger } from '../server/server-options.js';
import { registerCertificateMetrics } from '../telemetry/server-metrics.js';
import { checkedOptions } from './configuration-file.js';
import { openGuardOptions } from './open-server.js';
import { optionsIn, type OptionsOf } from './option.js';
import { limitsOf, pathGlobsOf } from './serving-options.js';
import { Opened, silentLogger } from './starting.js';
import { mountedTopics, startOptions } from './start-topics.js';
import { upstreamAddressesOf } from './upstream-options.js';
import { virtualClusters } from './virtual-cluster-options.js';
import { UsageError } from './usage-error.js';

/** What a program passes besides the options of the command line. */
interface ProgramOptions {
  /** The registers of prom-client to serve, before the filter's own metrics. Required unless an upstream is named. */
  readonly registers?: RegistriesExpositionOptions['registries'];
  /** Static bearer tokens, as `tokenAuthFile` has them; only their digests are kept. */
  readonly bearerTokens?: readonly BearerToken[];
  /** Called for every refused request, after its answer was sent. */
  readonly onRefused?: (refusal: RequestRefusal) => void;
  /** Called for every decided or rejected request, after its answer was sent, besides the audit log. */
  readonly onAuditEvent?: AuditSink;
  /** Told of reloads, outages and warnings; pino, or `console`. Default: nobody is. */
  readonly logger?: Logger;
}

/**
 * The options of `kcp-metrics-filter start` under the names that the configuration file has for them, with the same
 * values, defaults and checks, without those that only a server of its own can have. `mode` is `shard` by default.
 */
export type OpenMetricsFilterOptions = OptionsOf<typeof mountedTopics> & ProgramOptions;

/** A request handler, and what follows its files and servers. */
export interface OpenMetricsFilter extends Handler {
  /** Whether every source of the policy was read, none is too old, and the filter is not closed. */
  ready(): boolean;
  /** Lets go of files, timers and connections; what the filter would have served is then 503. Idempotent. */
  close(): Promise<void>;
}

const programChecks: Readonly<Record<keyof ProgramOptions, Check>> = {
  registers: optional(listOf('Registries of prom-client', aRegister)),
  bearerTokens: optional(must('a list of { token, user }', Array.isArray)),
  onRefused: optional(aFunction),
  onAuditEvent: optional(aFunction),
  logger: optional(aLogger),
};

/** How long API servers of the policy are waited for (ms); afterwards it is 503 until they have answered. */
const policyWaitMs = 10_000;

/** What `openMetricsFilter` does, with all that it takes. @throws MetricsFilterOptionError */
export async function openMountedFilter(options: OpenMetricsFilterOptions): Promise<OpenMetricsFilter> {
  checkOptions(options, programChecks);
  const opened = new Opened();
  try {
    return await mountedFilter(options, opened);
  } catch (error) {
    await opened.close();
    throw error instanceof UsageError ? optionError(error) : error;
  }
}

async function mountedFilter(options: OpenMetricsFilterOptions, opened: Opened): Promise<OpenMetricsFilter> {
  const {
    registers = [],
    bearerTokens = [],
    onRefused,
    onAuditEvent,
    logger = silentLogger,
    ...rest
  } = options;
  refuseServerOptions(rest);
  const given = checkedOptions(rest, mountedTopics);
  const { virtualCluster } = virtualClusters.read(given);
  if (registers.length === 0 && upstreamAddressesOf(given).length === 0 && virtualCluster === undefined) {
    throw new MetricsFilterOptionError('registers', 'pass [register] of prom-client, or name an upstream');
  }
  const authenticators = bearerTokens.length === 0 ? [] : [bearerTokenAuthenticator(bearerTokens)];
  const opener = { logger, opened, registers, authenticators, policyWaitMs, onAuditEvent };
  const openLimits = async () => ({ ...(await pathGlobsOf(given)), ...limitsOf(given) });
  const { serving, guard, registry, certificates } = await openGuardOptions(given, opener, openLimits);
  registerCertificateMetrics(registry, certificates);
  let closing: Promise<void> | undefined;
  const checks = readinessChecks(guard, () => closing !== undefined);
  const handle = mountedGuard({
    ...serving,
    ...guard,
    ...presentOnly({ onRefused }),
    maintenance: {
      // Without its files and sources, what it knows only gets older.
      get current(): Maintenance {
        if (closing !== undefined) return { kind: 'everybody' };
        return guard.maintenance?.current ?? { kind: 'nobody' };
      },
    },
  });
  return Object.assign(handle, {
    ready: () => checks.every((one) => one.check().ok),
    close: () => (closing ??= opened.close()),
  });
}

/** Refuses an option of the command line that only a server of its own can have. */
function refuseServerOptions(options: object): void {
  const mounted = new Set(optionsIn(mountedTopics).map(({ key }) => key));
  const refused = startOptions.find(({ key }) => key in options && !mounted.has(key));
  if (refused === undefined) return;
  const reason = 'is of the server that kcp-metrics-filter starts; here the application has its own';
  throw new MetricsFilterOptionError(refused.key, reason);
}

/** The same error under the option's name in a program. */
function optionError({ message }: UsageError): MetricsFilterOptionError {
  const keys = new Map<string, string>(startOptions.map(({ name, key }) => [name, key]));
  const said = message.replace(/(?<![\w-])--[a-z][a-z0-9-]*/g, (name) => keys.get(name) ?? name);
  const [, option = 'options', where = '', what = said] = /^(\w+)(\[\d+\])?: (.*)$/s.exec(said) ?? [];
  return new MetricsFilterOptionError(option, where === '' ? what : `${where}: ${what}`);
}
