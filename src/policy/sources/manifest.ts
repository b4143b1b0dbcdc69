import { runAll } from '../../time-slice.js';
import type { PolicyObject } from '../objects.js';
import { Field } from '../../documents/field.js';
import { ManifestError } from '../policy-errors.js';
import { policyObject } from './manifest-object.js';
import { readDocuments } from '../../documents/documents.js';
import { sourceOf } from '../../documents/source.js';

export interface Manifest {
  readonly objects: readonly PolicyObject[];
  /** What is written but will not do what was likely meant. Each begins with `file:line: `. */
  readonly warnings: readonly string[];
}

interface Findings {
  readonly objects: PolicyObject[];
  readonly warnings: string[];
  /** How many warnings there are beyond the bound. */
  omitted: number;
}

/** Each is a line of the log; more would not be read. */
const maxWarnings = 100;

function warn(findings: Findings, message: string): void {
  if (findings.warnings.length < maxWarnings) findings.warnings.push(message);
  else findings.omitted += 1;
}

const rbacVersion = 'rbac.authorization.k8s.io/v1';

/**
 * The ClusterRoles and ClusterRoleBindings of a manifest: YAML or JSON, any number of documents, lists
 * included; whatever else stands in it is skipped. `file` is what messages call it. Throws ManifestError, whose
 * message begins with `file:line: `, for everything that Kubernetes would refuse and that decides here.
 */
export function parseManifest(text: string, file: string): Manifest {
  return runAll(readManifest(text, file));
}

/** The same in steps of one document. */
export function* readManifest(text: string, file: string): Generator<undefined, Manifest, undefined> {
  const findings: Findings = { objects: [], warnings: [], omitted: 0 };
  for (const document of readDocuments(text, 'manifest', sourceOf(file, ManifestError))) {
    if (document.value !== null) addObject(Field.root(document), findings);
    yield;
  }
  yield* refuseDuplicates(findings.objects);
  if (findings.omitted > 0) findings.warnings.push(`${file}: ${findings.omitted} more warnings`);
  // The parser's strings are slices of the file's text, and one of them would keep all of it in memory.
  return JSON.parse(JSON.stringify({ objects: findings.objects, warnings: findings.warnings })) as Manifest;
}

/** @throws ManifestError */
export function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ManifestError(`${file}: is not UTF-8`, { cause: error });
  }
}

/** Objects are known by kind and name; the second of a name is refused, wherever it stands. */
export function* refuseDuplicates(objects: Iterable<PolicyObject>): Generator<undefined, void, undefined> {
  const first = new Map<string, PolicyObject>();
  for (const object of objects) {
    const key = `${object.kind} ${JSON.stringify(object.name)}`;
    const other = first.get(key);
    if (other !== undefined) {
      throw new ManifestError(`${object.origin ?? ''}: ${key} is already defined at ${other.origin ?? ''}`);
    }
    first.set(key, object);
    yield;
  }
}

function addObject(object: Field, findings: Findings): void {
  object.requireObject();
  const kind = object.get('kind').optionalString();
  switch (kind) {
    case undefined:
      warn(findings, `${object.where}: skipped, because it has no kind`);
      return;
    case 'ClusterRole':
    case 'ClusterRoleBinding':
      requireRbacVersion(object);
      addTyped(kind, object, findings);
      return;
    case 'ClusterRoleList':
    case 'ClusterRoleBindingList':
      requireRbacVersion(object);
      addItems(kind, object, findings);
      return;
    case 'List':
      for (const item of object.get('items').list()) {
        if (item.get('kind').value === 'List') item.fail('must not be a List itself');
        addObject(item, findings);
      }
      return;
    case 'Role':
    case 'RoleBinding':
    case 'RoleList':
    case 'RoleBindingList':
      warn(findings, `${object.where}: a ${kind} is skipped, because what is namespaced never grants a path`);
      return;
    default:
  }
}

type Kind = PolicyObject['kind'];

function addItems(listKind: `${Kind}List`, list: Field, findings: Findings): void {
  const kind = listKind === 'ClusterRoleList' ? 'ClusterRole' : 'ClusterRoleBinding';
  for (const item of list.get('items').list()) {
    // Items of a typed list, as an API server sends them, do not say what they are.
    const itemKind = item.get('kind').optionalString() ?? kind;
    if (itemKind !== kind) item.get('kind').fail(`must be ${kind} in a ${listKind}`);
    if (item.get('apiVersion').optionalString() !== undefined) requireRbacVersion(item);
    addTyped(kind, item, findings);
  }
}

function addTyped(kind: Kind, object: Field, findings: Findings): void {
  findings.objects.push(
    policyObject(kind, object, (message) => {
      warn(findings, message);
    }),
  );
}

function requireRbacVersion(object: Field): void {
  const field = object.get('apiVersion');
  const version = field.string();
  if (version !== rbacVersion) field.fail(`must be ${rbacVersion}, not ${JSON.stringify(version)}`);
}
