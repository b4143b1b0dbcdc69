import type { Command, CommandCall } from '../command.js';
import { finding, resultOf, type Finding, type Result } from './finding.js';
import { diagnose } from './diagnose.js';
import { renderJson, renderTable } from './report.js';
import { configFlag } from '../../options/configuration/config-flag.js';
import { parseChoice } from '../../options/flag-values.js';
import { valueOf, type Flag } from '../../options/flags.js';
import { startFlags } from '../../options/start-topics.js';
import type { UsageError } from '../../options/usage-error.js';

const formats = ['table', 'json'] as const;

const outputFlag: Flag = {
  name: '--output',
  short: '-o',
  value: 'format',
  choices: formats,
  default: 'table',
  description: 'table for people, or json for programs',
};

export const doctorCommand: Command = {
  // Those of `start`, so that its command line can be checked as it is.
  flags: [...startFlags, outputFlag],
  run: doctor,
  runMisconfigured: reportMisconfiguration,
};

const exitCodes: Readonly<Record<Result, number>> = { ok: 0, warnings: 1, errors: 2 };

/**
 * Checks a configuration before it goes live. Resolves to the exit code: 0 where all is well, 1 with warnings, 2
 * where a start would fail or nobody could be served. `inOwnWords` names what a configuration file says by its field.
 */
async function doctor({ values, terminal: { print }, inOwnWords }: CommandCall): Promise<number> {
  const format = parseChoice(outputFlag.name, valueOf(values, outputFlag) ?? '', formats);
  const findings = (await diagnose(values)).map((found) => ({ ...found, ...wordsOf(found, inOwnWords) }));
  return report(findings, format, print);
}

/** Of a configuration file that cannot be read, and of nothing beside it: half a configuration says little. */
function reportMisconfiguration(
  fault: UsageError,
  { values, terminal: { print } }: Pick<CommandCall, 'values' | 'terminal'>,
): Promise<number> {
  const format = parseChoice(outputFlag.name, valueOf(values, outputFlag) ?? '', formats);
  const message = fault.message.replace(`${configFlag.name}: `, '');
  return Promise.resolve(report([finding('error', 'flag', configFlag.name, message)], format, print));
}

function report(
  findings: readonly Finding[],
  format: (typeof formats)[number],
  print: (line: string) => void,
): number {
  if (format === 'json') print(renderJson(findings));
  else renderTable(findings).forEach(print);
  return exitCodes[resultOf(findings)];
}

/** The words of a finding begin with its subject. */
function wordsOf(
  { subject, message }: Finding,
  inOwnWords: (message: string) => string,
): Pick<Finding, 'subject' | 'message'> {
  const blamed = inOwnWords(subject);
  if (blamed === subject) return { subject, message: inOwnWords(message) };
  const words = inOwnWords(`${subject}: ${message}`);
  return { subject: blamed, message: words.slice(blamed.length + 2) };
}
