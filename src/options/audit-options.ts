import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AuditLog, AuditLogOptions } from '../audit/audit-log.js';
import { systemCode } from '../error-class.js';
import { blaming, fault, isGiven, othersNeed, topic, type GivenOptions } from './option.js';
import { choice, count, file } from './option-kinds.js';
import { OutageLog } from './outage-log.js';
import type { Opening } from './starting.js';

export const audit = topic(
  'Audit',
  {
    auditLogPath: file().help(
      'file for the audit log, one audit.k8s.io/v1 event in JSON a line for each decided request; - is standard output; unset: no audit log',
    ),
    auditLogMaxage: count(366, { max: 36_500, unit: 'days' }).help(
      'days to keep rotated audit logs, by the time in their names; 0: no limit',
    ),
    auditLogMaxbackup: count(100, { max: 100_000 }).help('number of rotated audit logs to keep; 0 keeps all'),
    auditLogMaxsize: count(100, { max: 1_000_000, unit: 'megabytes' }).help(
      'size in megabytes at which the audit log is rotated; 0 never rotates it',
    ),
    auditLogMode: choice('mode', ['batch', 'blocking'], 'batch').help(
      'batch: events are buffered in memory and written in the background, and dropped while the buffer is full; blocking: each event is written at the end of its request, and blocks the whole process',
    ),
    auditLogBatchBufferSize: count(10_000, { min: 1, max: 1_000_000 }).help(
      'number of events to buffer in batch mode; more are dropped and counted',
    ),
    auditLogFormat: choice('format', ['json'], 'json').help('format of the audit log: json'),
  },
  [othersNeed('auditLogPath')],
);

/** Undefined where no audit log is wanted. @throws UsageError naming the option. */
function auditLogOptionsOf(given: GivenOptions): Omit<AuditLogOptions, 'observer'> | undefined {
  const { auditLogPath: path, ...values } = audit.read(given);
  if (path === undefined) return undefined;
  const { auditLogPath, auditLogBatchBufferSize, auditLogMode, ...options } = audit.options;
  const rotations = [options.auditLogMaxage, options.auditLogMaxbackup, options.auditLogMaxsize];
  const rotation = rotations.find((option) => isGiven(given, option));
  if (path === '-' && rotation !== undefined) {
    throw fault(rotation, `standard output is not rotated; set ${auditLogPath.name} to a file`);
  }
  if (values.auditLogMode === 'blocking' && isGiven(given, auditLogBatchBufferSize)) {
    throw fault(auditLogBatchBufferSize, `has no effect with ${auditLogMode.name}=blocking`);
  }
  return {
    path,
    maxAgeDays: values.auditLogMaxage,
    maxBackups: values.auditLogMaxbackup,
    maxSizeMebibytes: values.auditLogMaxsize,
    mode: values.auditLogMode,
    bufferSize: values.auditLogBatchBufferSize,
  };
}

/**
 * The audit log that the options describe, with its metrics and its outages logged.
 * @throws UsageError naming the option.
 */
export async function openAuditLog(
  given: GivenOptions,
  { registry, logger, opened }: Opening,
): Promise<AuditLog | undefined> {
  const options = auditLogOptionsOf(given);
  if (options === undefined) return undefined;
  const { auditLogPath } = audit.options;
  const { AuditLog } = await import('../audit/audit-log.js');
  const { AuditMetrics } = await import('../telemetry/server-metrics.js');
  const metrics = new AuditMetrics(registry);
  const outages = new OutageLog(logger, {
    failure: 'audit events are not written',
    recovery: 'audit events are written again',
    fields: { flag: auditLogPath.name },
  });
  const observer = {
    onEvent: metrics.event,
    onLost: metrics.lost,
    onOutage: outages.failed.bind(outages),
    onRecovery: outages.answered.bind(outages),
  };
  return opened.add(blaming(auditLogPath, () => new AuditLog({ ...options, observer })));
}

/** Whether `openAuditLog` would be able to write; makes nothing. @throws UsageError naming the option. */
export function checkAuditLog(given: GivenOptions): void {
  const path = auditLogOptionsOf(given)?.path;
  if (path === undefined || path === '-') return;
  const { auditLogPath } = audit.options;
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isDirectory() !== true) {
      accessSync(status === undefined ? nearestDirectory(path) : path, constants.R_OK | constants.W_OK);
      return;
    }
  } catch (error) {
    throw fault(auditLogPath, `${path} cannot be written to: ${systemCode(error)}`);
  }
  throw fault(auditLogPath, `${path} is a directory`);
}

function nearestDirectory(path: string): string {
  let directory = dirname(path);
  while (statSync(directory, { throwIfNoEntry: false }) === undefined && dirname(directory) !== directory) {
    directory = dirname(directory);
  }
  return directory;
}
