import { readDocuments } from '../../documents/documents.js';
import { Field } from '../../documents/field.js';
import { sourceOf } from '../../documents/source.js';
import { runAll } from '../../time-slice.js';
import type { PolicyObject } from '../objects.js';
import { ManifestError } from '../policy-errors.js';
import { policyObject } from './manifest-object.js';

export interface Manifest {
  readonly objects: readonly PolicyObject[];
  /** Warnings about what probably does not do what was intended. Each begins with `file:line: `. */
  readonly warnings: readonly string[];
}

/** The most warnings, each a line of the log. */
const maxWarnings = 100;

const versions: Readonly<Record<PolicyObject['kind'], string>> = {
  ClusterRole: 'rbac.authorization.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
  LogicalCluster: 'core.kcp.io/v1alpha1',
};

/**
 * The ClusterRoles and ClusterRoleBindings of a manifest: YAML or JSON, any number of documents, lists included; other
 * objects are skipped. `file` is its name in messages. Throws ManifestError, whose message begins with `file:line: `,
 * for everything relevant here that Kubernetes would refuse. With `ofWorkspaces`, LogicalClusters are read as well, and
 * each object needs the annotation `kcp.io/cluster`, which names its logical cluster.
 */
export function parseManifest(text: string, file: string, ofWorkspaces = false): Manifest {
  return runAll(readManifest(text, file, ofWorkspaces));
}

/** The same in steps of one document. */
export function* readManifest(
  text: string,
  file: string,
  ofWorkspaces = false,
): Generator<undefined, Manifest, undefined> {
  const objects: PolicyObject[] = [];
  const warnings: string[] = [];
  let omitted = 0;
  const warn = (message: string): void => {
    if (warnings.length < maxWarnings) warnings.push(message);
    else omitted += 1;
  };
  for (const document of readDocuments(text, 'manifest', sourceOf(file, ManifestError))) {
    const root = Field.root(document);
    if (root.value !== null) {
      for (const [kind, field] of policyFields(root, ofWorkspaces, warn)) {
        objects.push(policyObject(kind, field, ofWorkspaces, warn));
      }
    }
    yield;
  }
  yield* refuseDuplicates(objects);
  if (omitted > 0) warnings.push(`${file}: ${omitted} more warnings`);
  // The parser's strings are slices of the file's text, and one of them would keep all of it in memory.
  return JSON.parse(JSON.stringify({ objects, warnings })) as Manifest;
}

/** Objects are identified by logical cluster, kind and name; a duplicate in any file is refused. */
export function* refuseDuplicates(objects: Iterable<PolicyObject>): Generator<undefined, void, undefined> {
  const first = new Map<string, PolicyObject>();
  for (const object of objects) {
    const of = object.cluster === undefined ? '' : ` of ${object.cluster}`;
    const key = `${object.kind} ${JSON.stringify(object.name)}${of}`;
    const other = first.get(key);
    if (other !== undefined) {
      throw new ManifestError(`${object.origin ?? ''}: ${key} is already defined at ${other.origin ?? ''}`);
    }
    first.set(key, object);
    yield;
  }
}

/** The objects of a policy that an object is or lists, lazily. */
function* policyFields(
  object: Field,
  ofWorkspaces: boolean,
  warn: (message: string) => void,
): Generator<readonly [PolicyObject['kind'], Field]> {
  object.requireObject();
  const kind = object.get('kind').optionalString();
  const listed = kind?.endsWith('List') === true ? kind.slice(0, -'List'.length) : undefined;
  const of = listed ?? kind;
  if (kind === undefined) warn(`${object.where}: skipped, because it has no kind`);
  else if (listed === '') {
    for (const item of object.get('items').list()) {
      if (item.get('kind').value === 'List') item.fail('must not be a List itself');
      yield* policyFields(item, ofWorkspaces, warn);
    }
  } else if (of === 'Role' || of === 'RoleBinding') {
    warn(`${object.where}: a ${kind} is skipped, because what is namespaced never grants a path`);
  } else if (isPolicyKind(of) && (ofWorkspaces || of !== 'LogicalCluster')) {
    requireVersion(object, of);
    if (listed === undefined) yield [of, object];
    const items = listed === undefined ? [] : object.get('items').list();
    for (const item of items) {
      // Items of a typed list from an API server have no kind of their own.
      const itemKind: string = item.get('kind').optionalString() ?? of;
      if (itemKind !== of) item.get('kind').fail(`must be ${of} in a ${kind}`);
      if (item.get('apiVersion').optionalString() !== undefined) requireVersion(item, of);
      yield [of, item];
    }
  }
}

function isPolicyKind(kind: string | undefined): kind is PolicyObject['kind'] {
  return kind !== undefined && Object.hasOwn(versions, kind);
}

function requireVersion(object: Field, kind: PolicyObject['kind']): void {
  const field = object.get('apiVersion');
  const version = field.string();
  if (version !== versions[kind]) field.fail(`must be ${versions[kind]}, not ${JSON.stringify(version)}`);
}
