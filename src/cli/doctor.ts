import { resultOf, type Result } from '../diagnosis/finding.js';
import { diagnose } from './doctor/diagnose.js';
import { renderJson, renderTable } from './doctor/report.js';
import { parseChoice } from './flag-values.js';
import { valueOf, type Flag, type FlagValues } from './flags.js';
import { startFlags } from './start.js';

const formats = ['table', 'json'] as const;

const outputFlag: Flag = {
  name: '--output',
  short: '-o',
  value: 'format',
  default: 'table',
  description: 'table for people, or json for programs',
};

/** Those of `start`, so that its command line can be checked as it is. */
export const doctorFlags: readonly Flag[] = [...startFlags, outputFlag];

const exitCodes: Readonly<Record<Result, number>> = { ok: 0, warnings: 1, errors: 2 };

/**
 * Checks a configuration before it goes live. Resolves to the exit code: 0 where all is well, 1 with warnings, 2
 * where a start would fail or nobody could be served.
 */
export async function doctor(
  values: FlagValues,
  { print }: { readonly print: (line: string) => void },
): Promise<number> {
  const format = parseChoice(outputFlag.name, valueOf(values, outputFlag) ?? '', formats);
  const findings = await diagnose(values);
  if (format === 'json') print(renderJson(findings));
  else renderTable(findings).forEach(print);
  return exitCodes[resultOf(findings)];
}
