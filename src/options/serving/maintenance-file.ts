import type { Maintenance } from '../../request/steps/refuse-in-maintenance.js';
import { shownName, yamlMapping, type PlainValue } from '../../documents/yaml-mapping.js';

/** A file that says something other than whom maintenance concerns; the message names file and line. */
export class MaintenanceFileError extends Error {
  override readonly name = 'MaintenanceFileError';
  readonly code = 'ERR_MAINTENANCE_FILE';
}

/** More would be a policy. */
const maxNames = 10_000;

type Fail = (line: number, fault: string) => never;

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
  const fail: Fail = (line, fault) => {
    throw new MaintenanceFileError(`${file}:${line}: ${fault}`);
  };
  const text = decoded(bytes, fail);
  if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return { kind: 'everybody' };
  const named = { users: new Set<string>(), groups: new Set<string>() };
  for (const [name, { value, line, itemLines }] of yamlMapping(text, fail)) {
    if (name !== 'users' && name !== 'groups') {
      return fail(line, `${shownName(name)}: only users and groups may stand here`);
    }
    for (const item of namesIn(value, name, line, itemLines, fail)) named[name].add(item);
  }
  const { users, groups } = named;
  if (users.size + groups.size === 0) {
    return fail(1, 'names nobody: an empty file means everybody, and no file nobody');
  }
  if (users.size + groups.size > maxNames) return fail(1, `names more than ${maxNames} users and groups`);
  return { kind: 'some', users, groups };
}

function decoded(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fail(1, 'is not UTF-8');
  }
}

function namesIn(
  value: PlainValue,
  field: string,
  line: number,
  itemLines: readonly number[],
  fail: Fail,
): readonly string[] {
  if (!(value instanceof Array)) return fail(line, `${field}: must be a list of names`);
  return value.map((name, at) =>
    typeof name === 'string' && name !== ''
      ? name
      : fail(itemLines[at] ?? line, `${field}: a name must be a string, and not empty`),
  );
}
