import { OptionalFile, type OptionalValue } from '../../files/optional-file.js';
import type { Maintenance } from '../../request/steps/refuse-in-maintenance.js';
import type { Logger } from '../../server/logger.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';
import { readMaintenance } from './maintenance-file.js';

const maintenanceFile: Flag = {
  name: '--maintenance-file',
  value: 'file',
  description:
    'while this file is there, scrapes are answered 503: of everybody where it is empty, else of those in users: [...] and groups: [...]; of everybody too where it cannot be read; health is served on',
};

export const maintenanceFlags: readonly Flag[] = [maintenanceFile];

export interface MaintenanceEvents {
  readonly logger: Logger;
  /** Told whether it is on, for some or for everybody. */
  readonly onChange: (isOn: boolean) => void;
}

export interface FollowedMaintenance {
  readonly current: Maintenance;
  close(): void;
}

/** Undefined where no file is named. @throws UsageError naming the flag. */
export async function openMaintenance(
  values: FlagValues,
  { logger, onChange }: MaintenanceEvents,
): Promise<FollowedMaintenance | undefined> {
  const file = valueOf(values, maintenanceFile);
  if (file === undefined) return undefined;
  if (file.trim() === '') throw new UsageError(`${maintenanceFile.name}: names no file`);
  let isOn = false;
  const log = (now: OptionalValue<Maintenance>): void => {
    const fields = { flag: maintenanceFile.name };
    if (now.kind === 'fault') logger.error(fields, `${now.message}; until then no scrape is served`);
    else if (now.kind === 'present') logger.warn({ ...fields, ...concerned(now.value) }, 'maintenance');
    else if (isOn) logger.info(fields, 'maintenance is over');
    isOn = now.kind !== 'absent';
    onChange(isOn);
  };
  try {
    const followed = await OptionalFile.open({
      file,
      parse: (bytes) => readMaintenance(file, bytes),
      onChange: log,
    });
    return {
      get current() {
        return maintenanceIn(followed.current);
      },
      close() {
        followed.close();
      },
    };
  } catch (error) {
    throw usageError(maintenanceFile.name, error);
  }
}

const nobody: Maintenance = { kind: 'nobody' };
const everybody: Maintenance = { kind: 'everybody' };

/** A file that nobody can read was put there for a reason. */
function maintenanceIn(read: OptionalValue<Maintenance>): Maintenance {
  switch (read.kind) {
    case 'absent':
      return nobody;
    case 'present':
      return read.value;
    case 'fault':
      return everybody;
  }
}

function concerned(maintenance: Maintenance): object {
  return maintenance.kind === 'some'
    ? { users: maintenance.users.size, groups: maintenance.groups.size }
    : { scrapes: 'of everybody' };
}
