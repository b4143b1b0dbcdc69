import type { Maintenance } from '../../request/steps/refuse-in-maintenance.js';
import { readDocument } from '../../documents/documents.js';
import { Field, shownName } from '../../documents/field.js';
import { sourceOf, utf8TextOf } from '../../documents/source.js';

/** A file that says something other than whom maintenance concerns; the message names file and line. */
export class MaintenanceFileError extends Error {
  override readonly name = 'MaintenanceFileError';
  readonly code = 'ERR_MAINTENANCE_FILE';
}

/** More would be a policy. */
const maxNames = 10_000;

/**
 * Whom the file's presence concerns: everybody where it is empty, but for comments; else, in YAML or JSON:
 *
 * ```yaml
 * users: [prometheus]
 * groups: [monitoring]
 * ```
 *
 * @throws MaintenanceFileError for anything else.
 */
export function readMaintenance(file: string, bytes: Uint8Array): Maintenance {
  const source = sourceOf(file, MaintenanceFileError);
  const text = utf8TextOf(bytes, source);
  if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return { kind: 'everybody' };
  const named = { users: new Set<string>(), groups: new Set<string>() };
  for (const [name, field] of Field.root(readDocument(text, 'configuration', source)).entries()) {
    if (name !== 'users' && name !== 'groups') {
      return source.fail(field.line, `${shownName(name)}: only users and groups may stand here`);
    }
    if (field.isAbsent) field.fail('must be a list of names');
    for (const item of field.list()) named[name].add(item.string());
  }
  const { users, groups } = named;
  if (users.size + groups.size === 0) {
    return source.fail(1, 'names nobody: an empty file means everybody, and no file nobody');
  }
  if (users.size + groups.size > maxNames) {
    return source.fail(1, `names more than ${maxNames} users and groups`);
  }
  return { kind: 'some', users, groups };
}
