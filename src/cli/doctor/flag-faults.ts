import { checkAuditLog } from '../../options/audit-options.js';
import { authorizersOf } from '../../options/authorization-options.js';
import { certificates, serviceAccounts, tokens } from '../../options/authentication-options.js';
import { openExpositions } from '../../options/exposition-options.js';
import { logging, serverKindOf } from '../../options/general-options.js';
import { openMaintenance } from '../../options/maintenance-options.js';
import { openServing, openAuthentication } from '../../options/open-server.js';
import { Opened, openingOf, silentLogger, type Opening } from '../../options/starting.js';
import { openid } from '../../options/openid-options.js';
import { optionsIn, type GivenOptions, type Topic } from '../../options/option.js';
import { openAccessReview, tokenReview } from '../../options/reviewer-options.js';
import { workersOf } from '../../options/serving-options.js';
import { tls } from '../../options/tls-options.js';
import { virtualClusters } from '../../options/virtual-cluster-options.js';
import { UsageError } from '../../options/usage-error.js';
import { errorClass } from '../../error-class.js';
import { finding, type Check, type Finding } from './finding.js';
import { withoutFlag } from './given-files.js';
import { policySourcesOf } from '../../options/policy-options.js';
import { workspaceMetricsOf } from '../../options/workspace-options.js';

/**
 * Reads the flags as start does, repeatedly and without the flag at fault, to find all faults; start
 * stops at the first. `findings` are the faults, or that there are none; `usable` is what is left.
 */
export async function readFlags(values: GivenOptions) {
  const findings: Finding[] = [];
  let usable = values;
  for (const read of readers) {
    let left: number;
    do {
      left = Object.keys(usable).length;
      const fault = await faultOf(read, usable);
      if (fault === undefined) break;
      if (!isConsequence(fault, findings)) findings.push(fault);
      usable = withoutFlag(usable, fault.subject);
    } while (Object.keys(usable).length < left);
  }
  if (findings.length === 0) findings.push(finding('ok', 'flag', 'command line', 'all flags are valid'));
  return { findings, usable };
}

/** Whether a flag is only invalid because another, already reported, was dropped. */
function isConsequence({ message }: Finding, told: readonly Finding[]): boolean {
  const words = message.split(' ');
  return words[0] === 'needs' && told.some(({ subject }) => words.includes(subject));
}

/** Reads some flags as start does. */
type Reader = (values: GivenOptions, opening: Opening) => unknown;

const readers: readonly Reader[] = [
  serverKindOf,
  (values) => logging.read(values),
  workersOf,
  (values, { files }) => openServing(values, files, true),
  openMaintenance,
  openAuthentication,
  (values, opening) => openExpositions(values, opening),
  (values) => authorizersOf(values),
  openAccessReview,
  // Before the sources: one that it drops may be what another option needs.
  workspaceMetricsOf,
  (values) => policySourcesOf(values),
  (values) => virtualClusters.read(values),
  checkAuditLog,
];

async function faultOf(read: Reader, values: GivenOptions): Promise<Finding | undefined> {
  const opened = new Opened();
  try {
    await read(values, openingOf({ logger: silentLogger, opened }));
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) {
      return finding('error', 'flag', 'command line', `could not be read: ${errorClass(error)}`);
    }
    const [, flag = 'command line', message = error.message] =
      /^(--[a-z-]+): (.*)$/s.exec(error.message) ?? [];
    return finding('error', checksOfFlags.get(flag) ?? 'flag', flag, message);
  } finally {
    await opened.close();
  }
}

const filesIn = (...topics: readonly Topic[]) => optionsIn(topics).filter(({ file }) => file !== undefined);
const checksOfFlags: ReadonlyMap<string, Check> = new Map([
  ...filesIn(tls).map(({ name }) => [name, 'serving-certificate'] as const),
  ...filesIn(tokens, serviceAccounts, openid, tokenReview).map(
    ({ name }) => [name, 'authentication'] as const,
  ),
  [certificates.options.clientCaFile.name, 'client-ca'],
  [certificates.options.requestheaderClientCaFile.name, 'front-proxy-ca'],
  [certificates.options.requestheaderAllowedNames.name, 'front-proxy-ca'],
]);
