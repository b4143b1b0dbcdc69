import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Registry } from 'prom-client';
import { AuditLog } from '../../audit/audit-log.js';
import { faultOf } from '../../audit/audit-errors.js';
import type { Logger } from '../../server/logger.js';
import { AuditMetrics } from '../../telemetry/server-metrics.js';
import type { FlagValues } from '../flags.js';
import { OutageLog } from '../outage-log.js';
import { UsageError, usageError } from '../usage-error.js';
import { auditLogOptionsOf, auditLogPathFlag } from './audit-flags.js';

/** The audit log that the flags describe, counted and its outages logged. @throws UsageError naming the flag. */
export function openAuditLog(
  values: FlagValues,
  { registry, logger }: { readonly registry: Registry; readonly logger: Logger },
): AuditLog | undefined {
  const options = auditLogOptionsOf(values);
  if (options === undefined) return undefined;
  const metrics = new AuditMetrics(registry);
  const outages = new OutageLog(logger, {
    failure: 'audit events are not written',
    recovery: 'audit events are written again',
    fields: { flag: auditLogPathFlag },
  });
  const observer = {
    onEvent: () => {
      metrics.event();
    },
    onLost: metrics.lost.bind(metrics),
    onOutage: outages.failed.bind(outages),
    onRecovery: outages.answered.bind(outages),
  };
  try {
    return new AuditLog({ ...options, observer });
  } catch (error) {
    throw usageError(auditLogPathFlag, error);
  }
}

/** Whether `openAuditLog` would be able to write; makes nothing. @throws UsageError naming the flag. */
export function checkAuditLog(values: FlagValues): void {
  const path = auditLogOptionsOf(values)?.path;
  if (path === undefined || path === '-') return;
  try {
    const file = statSync(path, { throwIfNoEntry: false });
    if (file?.isDirectory() === true) throw new UsageError(`${auditLogPathFlag}: ${path} is a directory`);
    accessSync(file === undefined ? nearestDirectory(path) : path, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${auditLogPathFlag}: ${path} cannot be written to: ${faultOf(error)}`);
  }
}

/** The one in which those that are missing would be made. */
function nearestDirectory(path: string): string {
  let directory = dirname(path);
  while (statSync(directory, { throwIfNoEntry: false }) === undefined && dirname(directory) !== directory) {
    directory = dirname(directory);
  }
  return directory;
}
