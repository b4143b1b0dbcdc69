import { parseChoice } from '../flag-values.js';
import { isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import type { AuditLogOptions } from '../../audit/audit-log.js';

const modes = ['batch', 'blocking'] as const;
const formats = ['json'] as const;

const path: Flag = {
  name: '--audit-log-path',
  value: 'file',
  description:
    'file that gets an audit.k8s.io/v1 event for each request that was decided, as a line of JSON; - is standard output; without it, none is written',
};
const maxAge: Flag = {
  name: '--audit-log-maxage',
  value: 'days',
  default: '366',
  description:
    'how many days rotated audit logs are kept, by the time in their names; 0 keeps them however old',
};
const maxBackup: Flag = {
  name: '--audit-log-maxbackup',
  value: 'count',
  default: '100',
  description: 'how many rotated audit logs are kept; 0 keeps all',
};
const maxSize: Flag = {
  name: '--audit-log-maxsize',
  value: 'megabytes',
  default: '100',
  description: 'size in megabytes at which the audit log is rotated; 0 never rotates it',
};
const mode: Flag = {
  name: '--audit-log-mode',
  value: 'mode',
  choices: modes,
  default: 'batch',
  description:
    'batch: events wait in memory until they are written, and are dropped when too many wait; blocking: each is written at the end of its request, and everything waits for it',
};
const bufferSize: Flag = {
  name: '--audit-log-batch-buffer-size',
  value: 'count',
  default: '10000',
  description: 'how many events may wait in batch mode; more are dropped and counted',
};
const format: Flag = {
  name: '--audit-log-format',
  value: 'format',
  choices: formats,
  default: 'json',
  description: 'format of the audit log: json',
};

export const auditFlags: readonly Flag[] = [path, maxAge, maxBackup, maxSize, mode, bufferSize, format];

/** Of a file alone: standard output is not rotated. */
const rotationFlags = [maxAge, maxBackup, maxSize];

/** Named in what goes wrong with the file. */
export const auditLogPathFlag = path.name;

/** Undefined where no audit log is wanted. @throws UsageError naming the flag. */
export function auditLogOptionsOf(values: FlagValues): Omit<AuditLogOptions, 'observer'> | undefined {
  const file = valueOf(values, path);
  parseChoice(format.name, valueOf(values, format) ?? '', formats);
  const options = {
    maxAgeDays: countOf(values, maxAge, 0, 36_500),
    maxBackups: countOf(values, maxBackup, 0, 100_000),
    maxSizeMebibytes: countOf(values, maxSize, 0, 1_000_000),
    mode: parseChoice(mode.name, valueOf(values, mode) ?? '', modes),
    bufferSize: countOf(values, bufferSize, 1, 1_000_000),
  };
  if (file === undefined) {
    const first = auditFlags.find((flag) => isGiven(values, flag));
    if (first !== undefined) throw new UsageError(`${first.name}: needs ${path.name}`);
    return undefined;
  }
  if (file.trim() === '') throw new UsageError(`${path.name}: names no file`);
  const rotation = rotationFlags.find((flag) => isGiven(values, flag));
  if (file === '-' && rotation !== undefined) {
    throw new UsageError(`${rotation.name}: standard output is not rotated: needs a file in ${path.name}`);
  }
  if (options.mode === 'blocking' && isGiven(values, bufferSize)) {
    throw new UsageError(`${bufferSize.name}: nothing waits with ${mode.name}=blocking`);
  }
  return { path: file, ...options };
}

function countOf(values: FlagValues, flag: Flag, least: number, most: number): number {
  const text = valueOf(values, flag) ?? '';
  const count = Number(text);
  if (!/^\d{1,7}$/.test(text) || count < least || count > most) {
    throw new UsageError(`${flag.name}: ${JSON.stringify(text)} is not a number from ${least} to ${most}`);
  }
  return count;
}
