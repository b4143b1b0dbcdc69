import { Registry } from 'prom-client';
import { errorClass } from '../../error-class.js';
import { finding, type Check, type Finding } from './finding.js';
import type { ServerKind } from '../../paths/classify.js';
import { FilterMetrics } from '../../telemetry/filter-metrics.js';
import { checkAuditLog } from '../../options/audit/audit-log.js';
import { openAuthentication } from '../../options/authentication/authentication.js';
import { authorizersOf } from '../../options/authorization/authorization-flags.js';
import { openWebhookAuthorizer } from '../../options/authorization/authorization-webhook-flags.js';
import { openExpositions } from '../../options/exposition/exposition.js';
import { servesSlis } from '../../options/exposition/slis-flags.js';
import { FollowedFlagFiles } from '../../options/followed-flag-files.js';
import { Opened } from '../../options/opened.js';
import { silentAuthenticationEvents, silentLogger, silentReviewEvents } from './silent-events.js';
import type { FlagValues } from '../../options/flags.js';
import { checkPolicyFlags } from '../../options/policy/policy-flags.js';
import { openMaintenance } from '../../options/serving/maintenance-flags.js';
import { servingOf } from '../../options/serving/serving-flags.js';
import { servesZPages } from '../../options/serving/z-pages-flags.js';
import { logLevelOf, serverKindOf } from '../../options/start-topics.js';
import { workersOf } from '../../options/serving/workers-flags.js';
import { UsageError } from '../../options/usage-error.js';
import { partnerOf, withoutFlags } from './given-flags.js';

export interface FlagReading {
  /** The faults, or that there are none. */
  readonly findings: readonly Finding[];
  /** Without those that cannot be used. */
  readonly usable: FlagValues;
}

/**
 * Reads the flags as a start does, again and again without the flag that was at fault, until there is none: a
 * start would stop at the first.
 */
export async function readFlags(values: FlagValues): Promise<FlagReading> {
  const findings: Finding[] = [];
  let usable = values;
  for (const read of readers) {
    for (;;) {
      const fault = await faultOf(read, usable);
      if (fault === undefined) break;
      if (!isConsequence(fault, findings)) findings.push(fault);
      const rest = withoutFlags(usable, [fault.subject, partnerOf(fault.subject)]);
      if (Object.keys(rest).length === Object.keys(usable).length) break;
      usable = rest;
    }
  }
  return {
    findings:
      findings.length > 0 ? findings : [finding('ok', 'flag', 'command line', 'all flags can be read')],
    usable,
  };
}

/** Of a flag that needs another, which has been told of: it would be well with that one. */
function isConsequence({ message }: Finding, told: readonly Finding[]): boolean {
  const words = message.split(' ');
  return words[0] === 'needs' && told.some(({ subject }) => words.includes(subject));
}

/** Whose path rules apply; those of a shard where the flag cannot be read. */
export function assumedServerKind(values: FlagValues): ServerKind {
  try {
    return serverKindOf(values);
  } catch {
    return 'shard';
  }
}

type Reader = (values: FlagValues) => unknown;

const readers: readonly Reader[] = [
  serverKindOf,
  logLevelOf,
  workersOf,
  readServingFlags,
  readMaintenanceFlags,
  readAuthenticationFlags,
  readExpositionFlags,
  (values) => authorizersOf(values),
  readAuthorizationWebhookFlags,
  checkPolicyFlags,
  checkAuditLog,
  servesZPages,
];

async function readServingFlags(values: FlagValues): Promise<void> {
  const files = new FollowedFlagFiles();
  await servingOf(values, true, files).finally(() => {
    files.close();
  });
}

async function readMaintenanceFlags(values: FlagValues): Promise<void> {
  const opened = await openMaintenance(values, { logger: silentLogger, onChange: () => undefined });
  opened?.close();
}

async function readAuthenticationFlags(values: FlagValues): Promise<void> {
  const open = await openAuthentication(values, assumedServerKind(values), silentAuthenticationEvents);
  await open.close();
}

async function readExpositionFlags(values: FlagValues): Promise<void> {
  servesSlis(values);
  const files = new FollowedFlagFiles();
  const opened = new Opened();
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const context = { registry, slis: undefined, telemetry, logger: silentLogger, files, opened };
  await openExpositions(values, context).finally(async () => {
    await opened.close();
    files.close();
  });
}

async function readAuthorizationWebhookFlags(values: FlagValues): Promise<void> {
  const opened = new Opened();
  await openWebhookAuthorizer(values, silentReviewEvents, opened).finally(() => opened.close());
}

/** What is said of the flag at fault. */
async function faultOf(read: Reader, values: FlagValues): Promise<Finding | undefined> {
  try {
    await read(values);
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) {
      return finding('error', 'flag', 'command line', `could not be read: ${errorClass(error)}`);
    }
    const [, flag = 'command line', message = error.message] =
      /^(--[a-z-]+): (.*)$/s.exec(error.message) ?? [];
    return finding('error', checkOf(flag), flag, message);
  }
}

const checksOfFlags: Readonly<Record<string, Check>> = {
  '--tls-cert-file': 'serving-certificate',
  '--tls-private-key-file': 'serving-certificate',
  '--tls-sni-cert-key': 'serving-certificate',
  '--client-ca-file': 'client-ca',
  '--requestheader-client-ca-file': 'front-proxy-ca',
  '--token-auth-file': 'authentication',
  '--service-account-key-file': 'authentication',
  '--service-account-jwks-ca-file': 'authentication',
  '--oidc-ca-file': 'authentication',
  '--authentication-kubeconfig': 'authentication',
  '--authentication-token-webhook-config-file': 'authentication',
};

function checkOf(flag: string): Check {
  return checksOfFlags[flag] ?? 'flag';
}
