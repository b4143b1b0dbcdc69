import type { Finding } from '../../../src/cli/doctor/finding.js';

/** What findings say, without whom it is said of: `warning: certificate 1, …`. */
export function saidIn(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ level, message }) => `${level}: ${message}`);
}
