import { errorClass } from '../../error-class.js';
import { authenticationFinding } from './authentication-checks.js';
import { addressFindings } from './address-checks.js';
import { checks, finding, type Check, type Finding } from './finding.js';
import { valueOf, type FlagValues } from '../../options/flags.js';
import { callersOf, methodsIn } from './callers.js';
import { authorityFindings, servingFindings, sniFindings } from './certificates.js';
import { readFlags } from './flag-faults.js';
import { flagNamed } from './given-flags.js';
import { lookAtFiles } from './given-files.js';
import { policyFindings } from './policy-findings.js';
import { reviewersFindings } from './reviewers.js';
import { servedPathFindings } from './served-paths.js';

/**
 * Looks at everything that a start with these flags would need, and beyond the first fault. Listens nowhere and
 * leaves nothing behind. In the order of the checks; `now` in ms since the epoch.
 */
export async function diagnose(given: FlagValues, now = Date.now()): Promise<readonly Finding[]> {
  const { findings: files, values } = await lookAtFiles(given);
  const { findings: flags, usable } = await readFlags(values);
  const findings = [
    ...files,
    ...flags,
    ...(await guarded('flag', '--bind-address', () => addressesIn(usable))),
    ...(await guarded('serving-certificate', '--tls-cert-file', () =>
      servingFindings(values, now, toldOf(flags)),
    )),
    ...(await guarded('serving-certificate', '--tls-sni-cert-key', () => sniFindings(values, now))),
    ...(await guarded('client-ca', '--client-ca-file', () => authorityFindings(values, now))),
    authenticationFinding(methodsIn(given), callersOf(usable)),
    ...(await guarded('authentication', 'reviews', () => reviewersFindings(usable, now))),
    ...(await guarded('policy-source', 'policy', () => policyFindings(usable, given, now))),
    ...(await guarded('scrapers', '--allow-paths', () => servedPathFindings(usable))),
  ];
  return findings.toSorted((one, other) => checks.indexOf(one.check) - checks.indexOf(other.check));
}

/** One check that fails unexpectedly must not keep the others from their turn. */
async function guarded(
  check: Check,
  subject: string,
  look: () => readonly Finding[] | Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [finding('error', check, subject, `could not be looked at: ${errorClass(error)}`)];
  }
}

function addressesIn(usable: FlagValues): readonly Finding[] {
  const flag = flagNamed('--bind-address');
  return addressFindings(flag.name, valueOf(usable, flag) ?? '0.0.0.0');
}

/** The flags that are at fault. */
function toldOf(findings: readonly Finding[]): ReadonlySet<string> {
  return new Set(findings.filter(({ level }) => level === 'error').map(({ subject }) => subject));
}
