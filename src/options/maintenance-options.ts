import { OptionalFile, type OptionalValue } from '../files/optional-file.js';
import { readDocument } from '../documents/documents.js';
import { Field, shownName } from '../documents/field.js';
import { sourceOf, utf8TextOf } from '../documents/source.js';
import type { Maintenance } from '../request/steps/refuse-in-maintenance.js';
import { topic, type GivenOptions } from './option.js';
import { file } from './option-kinds.js';
import type { Opening } from './starting.js';
import { UsageError, usageError } from './usage-error.js';

export const maintenance = topic('Maintenance and shutdown', {
  maintenanceFile: file({ followed: true }).help(
    'while this file exists, scrapes are answered 503: all of them if it is empty or cannot be read, else those of the users and groups it lists (users: [...], groups: [...]); health checks are still served',
  ),
});

/** With logs and metrics; undefined where no file is named. @throws UsageError naming the option. */
export async function openMaintenance(given: GivenOptions, { logger, telemetry, opened }: Opening) {
  const { maintenanceFile } = maintenance.read(given);
  if (maintenanceFile === undefined) return undefined;
  const { name } = maintenance.options.maintenanceFile;
  let isOn = false;
  const log = (now: OptionalValue<Maintenance>): void => {
    const fields = { flag: name };
    if (now.kind === 'fault') logger.error(fields, `${now.message}; no scrape is served until this is fixed`);
    else if (now.kind === 'present') {
      const { value } = now;
      const everyone = { scrapes: 'of everybody' };
      const who = value.kind === 'some' ? { users: value.users.size, groups: value.groups.size } : everyone;
      logger.warn({ ...fields, ...who }, 'maintenance');
    } else if (isOn) logger.info(fields, 'maintenance is over');
    isOn = now.kind !== 'absent';
    telemetry.maintenance(isOn);
  };
  try {
    const parse = readMaintenance.bind(undefined, maintenanceFile);
    const followed = opened.add(await OptionalFile.open({ file: maintenanceFile, parse, onChange: log }));
    return {
      get current() {
        const read = followed.current;
        if (read.kind === 'present') return read.value;
        // A file that cannot be read was put there for a reason.
        return read.kind === 'fault' ? everybody : nobody;
      },
    };
  } catch (error) {
    throw usageError(name, error);
  }
}

const everybody: Maintenance = { kind: 'everybody' };
const nobody: Maintenance = { kind: 'nobody' };

/** A longer list should be RBAC instead. */
const maxNames = 10_000;

/**
 * Reads the users and groups in a maintenance file; a file that is empty, apart from comments, means everyone. In YAML
 * or JSON:
 *
 * ```yaml
 * users: [prometheus]
 * groups: [monitoring]
 * ```
 *
 * @throws UsageError for anything else, naming file and line.
 */
export function readMaintenance(file: string, bytes: Uint8Array): Maintenance {
  const source = sourceOf(file, UsageError);
  const text = utf8TextOf(bytes, source);
  if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return everybody;
  const named = { users: new Set<string>(), groups: new Set<string>() };
  for (const [name, field] of Field.root(readDocument(text, 'configuration', source)).entries()) {
    if (name !== 'users' && name !== 'groups') {
      return source.fail(field.line, `${shownName(name)}: unknown field; expected users or groups`);
    }
    if (field.isAbsent) field.fail('must be a list of names');
    for (const item of field.list()) named[name].add(item.string());
  }
  const { users, groups } = named;
  if (users.size + groups.size === 0) {
    const advice = 'empty the file to mean everyone, or delete it to end maintenance';
    return source.fail(1, `lists no users or groups; ${advice}`);
  }
  if (users.size + groups.size > maxNames) {
    return source.fail(1, `names more than ${maxNames} users and groups`);
  }
  return { kind: 'some', users, groups };
}
