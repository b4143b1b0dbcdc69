import { Registry } from 'prom-client';
import { errorClass } from '../../error-class.js';
import { checkAuditLog } from '../../options/audit/audit-log.js';
import { openAuthentication } from '../../options/authentication/authentication.js';
import { authorizersOf } from '../../options/authorization/authorization-flags.js';
import { openWebhookAuthorizer } from '../../options/authorization/authorization-webhook-flags.js';
import { openExpositions } from '../../options/exposition/exposition.js';
import { servesSlis } from '../../options/exposition/slis-flags.js';
import type { FlagValues } from '../../options/flags.js';
import { FollowedFlagFiles } from '../../options/followed-flag-files.js';
import { Opened } from '../../options/opened.js';
import { checkPolicyFlags } from '../../options/policy/policy-flags.js';
import { openMaintenance } from '../../options/serving/maintenance-flags.js';
import { servingOf } from '../../options/serving/serving-flags.js';
import { workersOf } from '../../options/serving/workers-flags.js';
import { servesZPages } from '../../options/serving/z-pages-flags.js';
import { logLevelOf, serverKindOf } from '../../options/start-topics.js';
import { UsageError } from '../../options/usage-error.js';
import type { ServerKind } from '../../paths/classify.js';
import { FilterMetrics } from '../../telemetry/filter-metrics.js';
import { finding, type Check, type Finding } from './finding.js';
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
  if (findings.length === 0) findings.push(finding('ok', 'flag', 'command line', 'all flags can be read'));
  return { findings, usable };
}

/** Of a flag that needs another, whose fault has been found: it would be well with that one. */
function isConsequence({ message }: Finding, told: readonly Finding[]): boolean {
  const words = message.split(' ');
  return words[0] === 'needs' && told.some(({ subject }) => words.includes(subject));
}

/** The server's kind, which decides the path rules; a shard where the flag cannot be read. */
export function assumedServerKind(values: FlagValues): ServerKind {
  try {
    return serverKindOf(values);
  } catch {
    return 'shard';
  }
}

const nothing = (): void => undefined;
const silentReviews = { onWarning: nothing, onApiRequest: nothing };
const silentLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

type Reader = (values: FlagValues) => unknown;

/** Each reads some flags as a start does, and follows none of the files. */
const readers: readonly Reader[] = [
  serverKindOf,
  logLevelOf,
  workersOf,
  (values) => closing(new FollowedFlagFiles(), (files) => servingOf(values, true, files)),
  async (values) => {
    const opened = await openMaintenance(values, { logger: silentLogger, onChange: nothing });
    opened?.close();
  },
  async (values) => {
    const open = await openAuthentication(values, assumedServerKind(values), {
      onFollowed: nothing,
      onReload: nothing,
      onSpoofedHeaders: nothing,
      onKeyRefresh: nothing,
      review: silentReviews,
    });
    await open.close();
  },
  (values) =>
    closing(new FollowedFlagFiles(), (files) =>
      closing(new Opened(), (opened) => {
        servesSlis(values);
        const registry = new Registry();
        const telemetry = new FilterMetrics(registry);
        const context = { registry, slis: undefined, telemetry, logger: silentLogger, files, opened };
        return openExpositions(values, context);
      }),
    ),
  (values) => authorizersOf(values),
  (values) =>
    closing(new Opened(), (opened) =>
      openWebhookAuthorizer(values, { tokens: silentReviews, access: silentReviews }, opened),
    ),
  checkPolicyFlags,
  checkAuditLog,
  servesZPages,
];

async function closing<Opening extends { close(): unknown }>(
  opening: Opening,
  use: (opening: Opening) => Promise<unknown>,
): Promise<void> {
  try {
    await use(opening);
  } finally {
    await opening.close();
  }
}

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
    return finding('error', checksOfFlags[flag] ?? 'flag', flag, message);
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
