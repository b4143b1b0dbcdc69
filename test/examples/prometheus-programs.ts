import { spawnSync } from 'node:child_process';
import { isRequired } from '../support/required.js';

/** For `describe.skipIf`; says so where one of the programs is missing. */
export function isSkippedWithout(what: string, ...programs: readonly string[]): boolean {
  const missing = programs.filter((program) => spawnSync(program, ['--version']).status !== 0);
  if (missing.length === 0 || isRequired) return false;
  process.stderr.write(`${what} is NOT tested: ${missing.join(' and ')} not installed\n`);
  return true;
}
