import type { Field } from '../../documents/field.js';

/** What decides of an object's metadata. */
export interface ObjectMetadata {
  readonly name: string;
  readonly annotations: ReadonlyMap<string, string>;
}

/** Kubernetes' qualified name: a name, behind a DNS subdomain and a slash if it has one. */
const qualifiedName = /^(?:([^/]*)\/)?(?=[^/]{1,63}$)[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?$/;
const subdomain = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(?=.{0,63}$)(?:[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?)?$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const standardFinalizers: ReadonlySet<string> = new Set(['foregroundDeletion', 'kubernetes', 'orphan']);
const maxAnnotationBytes = 256 * 1024;

/**
 * The metadata of an object that has no namespace, checked as an API server checks it (`ValidateObjectMeta` of
 * Kubernetes' apimachinery). One with a namespace is taken: an API server drops it.
 *
 * @throws ManifestError
 */
export function metadataOf(metadata: Field): ObjectMetadata {
  const name = pathSegment(metadata.get('name'));
  for (const field of ['generateName', 'namespace', 'uid', 'resourceVersion', 'selfLink']) {
    metadata.get(field).optionalString();
  }
  for (const field of ['creationTimestamp', 'deletionTimestamp']) {
    const text = metadata.get(field).optionalString();
    if (text !== undefined && (!time.test(text) || Number.isNaN(Date.parse(text)))) {
      metadata.get(field).fail('must be a time such as 2026-01-02T03:04:05Z');
    }
  }
  for (const field of ['generation', 'deletionGracePeriodSeconds']) metadata.get(field).optionalCount();
  checkLabels(metadata.get('labels'));
  for (const finalizer of metadata.get('finalizers').list()) checkFinalizer(finalizer);
  for (const owner of metadata.get('ownerReferences').list()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid']) owner.get(field).string();
  }
  // An API server leaves out what it cannot read of them.
  for (const managed of metadata.get('managedFields').list()) managed.requireObject();
  return { name, annotations: annotationsOf(metadata.get('annotations')) };
}

/** A name that can stand in a URL's path. Kubernetes: `IsPathSegmentName`. @throws ManifestError */
export function pathSegment(field: Field): string {
  const name = field.string();
  if (name === '.' || name === '..' || /[/%]/.test(name)) field.fail('must not be . or .., nor hold / or %');
  return name;
}

/** A DNS subdomain, as names of ServiceAccounts are. @throws ManifestError */
export function subdomainOf(field: Field): string {
  const name = field.string();
  return subdomain.test(name)
    ? name
    : field.fail('must be a DNS subdomain: lower-case letters, digits, - and .');
}

/** @throws ManifestError */
export function checkLabels(labels: Field): void {
  for (const [key, field] of labels.entries()) {
    checkQualifiedName(field, key);
    if (!labelValue.test(field.optionalString() ?? '')) field.fail('is no value of a label');
  }
}

/** @throws ManifestError */
export function checkQualifiedName(field: Field, name: string): void {
  const found = qualifiedName.exec(name);
  if (found === null || (found[1] !== undefined && !subdomain.test(found[1]))) {
    field.fail('is no qualified name, such as example.com/name');
  }
}

function checkFinalizer(field: Field): void {
  const name = field.string();
  checkQualifiedName(field, name);
  if (!name.includes('/') && !standardFinalizers.has(name))
    field.fail('is no finalizer, such as example.com/name');
}

function annotationsOf(annotations: Field): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let bytes = 0;
  for (const [key, field] of annotations.entries()) {
    checkQualifiedName(field, key.toLowerCase());
    const value = field.optionalString() ?? '';
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    found.set(key, value);
  }
  if (bytes > maxAnnotationBytes) annotations.fail('must not be larger than 256 KiB in all');
  return found;
}
