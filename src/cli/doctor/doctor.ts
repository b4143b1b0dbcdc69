import { certificates } from '../../options/authentication-options.js';
import { general } from '../../options/general-options.js';
import { topic, type GivenOptions } from '../../options/option.js';
import { choice } from '../../options/option-kinds.js';
import { listening, servedPaths } from '../../options/serving-options.js';
import { startTopics } from '../../options/start-topics.js';
import { tls } from '../../options/tls-options.js';
import type { UsageError } from '../../options/usage-error.js';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorClass } from '../../error-class.js';
import type { Command, CommandCall } from '../command.js';
import { authorityFindings } from './authorities.js';
import { authenticationFinding, callersOf, methodsIn } from './callers.js';
import { lookAtFiles } from './given-files.js';
import { checks, finding, renderJson, renderTable, resultOf, type Check, type Finding } from './finding.js';
import { readFlags } from './flag-faults.js';
import { reviewersFindings } from './kubeconfig-checks.js';
import { policyFindings } from './policy-checks.js';
import { hostFindings } from './source-checks.js';
import { servedPathFindings } from './scrapers.js';
import { servingFindings, sniFindings } from './served-pair-checks.js';

const reporting = topic('Options', {
  output: choice('format', ['table', 'json'], 'table').help('table for people, or json for programs', {
    short: '-o',
  }),
});

export const doctorCommand: Command = {
  // Those of `start`, so that its command line can be checked as it is.
  topics: [...startTopics, reporting],
  run: doctor,
  tellsMisconfiguration: true,
};

/**
 * Checks a configuration before it goes live. Resolves to the exit code: 0 where all is well, 1 with warnings, 2 where
 * a start would fail or nobody could be served. `withConfigFieldNames` names what a configuration file says by its
 * field.
 */
async function doctor(call: CommandCall): Promise<number> {
  const { values, terminal, withConfigFieldNames, misconfiguration } = call;
  const { output } = reporting.read(values);
  const found = misconfiguration ? misconfigurationFindings(misconfiguration) : await diagnose(values);
  const findings = found.map((one) => {
    const subject = withConfigFieldNames(one.subject);
    if (subject === one.subject) return { ...one, message: withConfigFieldNames(one.message) };
    // Its words begin with its subject.
    const words = withConfigFieldNames(`${one.subject}: ${one.message}`);
    return { ...one, subject, message: words.slice(subject.length + 2) };
  });
  if (output === 'json') terminal.print(renderJson(findings));
  else renderTable(findings).forEach(terminal.print);
  return { ok: 0, warnings: 1, errors: 2 }[resultOf(findings)];
}

/** A configuration file that cannot be read is all that is reported: half a configuration says little. */
function misconfigurationFindings({ message }: UsageError): readonly Finding[] {
  const { name } = general.options.config;
  const messages = message.replace(`${name}: `, '').split('\n');
  return messages.map((one) => finding('error', 'flag', name, one));
}

/**
 * Looks at everything that a start with these flags would need, and beyond the first fault. Listens nowhere and
 * leaves nothing behind. In the order of the checks; `now` in ms since the epoch.
 */
async function diagnose(given: GivenOptions, now = Date.now()): Promise<readonly Finding[]> {
  const { findings: files, values } = await lookAtFiles(given);
  const { findings: flags, usable } = await readFlags(values);
  const faulty = new Set(flags.filter(({ level }) => level === 'error').map(({ subject }) => subject));
  const { bindAddress } = listening.options;
  const { tlsCertFile, tlsSniCertKey } = tls.options;
  const looks: readonly (readonly [Check, string, () => readonly Finding[] | Promise<readonly Finding[]>])[] =
    [
      ['flag', bindAddress.name, () => addressFindings(listening.read(usable).bindAddress)],
      ['serving-certificate', tlsCertFile.name, () => servingFindings(values, now, faulty)],
      ['serving-certificate', tlsSniCertKey.name, () => sniFindings(values, now)],
      ['client-ca', certificates.options.clientCaFile.name, () => authorityFindings(values, now)],
      ['authentication', 'no method', () => [authenticationFinding(methodsIn(given), callersOf(usable))]],
      ['authentication', 'reviews', () => reviewersFindings(usable, now)],
      ['virtual-cluster', 'host', () => hostFindings(usable, now)],
      ['policy-source', 'policy', () => policyFindings(usable, given, now)],
      ['scrapers', servedPaths.options.allowPaths.name, () => servedPathFindings(usable)],
    ];
  const findings = [...files, ...flags];
  for (const [check, subject, look] of looks) {
    try {
      findings.push(...(await look()));
    } catch (error) {
      // One check that fails unexpectedly must not keep the others from being made.
      findings.push(finding('error', check, subject, `could not be looked at: ${errorClass(error)}`));
    }
  }
  return findings.toSorted((one, other) => checks.indexOf(one.check) - checks.indexOf(other.check));
}

/** Whether this machine has the address to listen on. */
export function addressFindings(
  address: string,
  ours = Object.values(networkInterfaces()).flatMap((found) => found?.map((one) => one.address) ?? []),
): readonly Finding[] {
  const [bare = ''] = address.split('%');
  const isAny = bare === '0.0.0.0' || /^[0:]+$/.test(bare);
  const isLoopback = isIPv4(bare) && bare.startsWith('127.');
  if (isAny || isLoopback || ours.some((own) => canonical(own) === canonical(bare))) return [];
  const message = `no network interface of this machine has the address ${address}: a start here would fail`;
  return [finding('warning', 'flag', listening.options.bindAddress.name, message)];
}

/** URLs know one spelling of an IPv6 address. */
function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const url = `http://[${address}]/`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}
