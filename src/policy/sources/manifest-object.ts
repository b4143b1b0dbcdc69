import type { ClusterRole, ClusterRoleBinding, PolicyObject, PolicyRule, Subject } from '../objects.js';
import { replicateAnnotation } from './kubernetes-object.js';
import type { Field } from '../../documents/field.js';

/** Takes what a person should know of an object: one line. */
type Warn = (message: string) => void;

const rbacGroup = 'rbac.authorization.k8s.io';

const fieldsOf: Readonly<Record<PolicyObject['kind'], readonly string[]>> = {
  ClusterRole: ['apiVersion', 'kind', 'metadata', 'rules', 'aggregationRule'],
  ClusterRoleBinding: ['apiVersion', 'kind', 'metadata', 'roleRef', 'subjects'],
};

/**
 * An object of a manifest, reduced to what decides. Refused is what an API server refuses (Kubernetes'
 * `pkg/apis/rbac/validation`), so that nothing grants here that would grant nowhere else. Fields that nobody knows are
 * warned of: an API server leaves them out.
 *
 * @throws ManifestError
 */
export function policyObject(kind: PolicyObject['kind'], object: Field, warn: Warn): PolicyObject {
  warnOfOthers(object, fieldsOf[kind], warn);
  return kind === 'ClusterRole' ? clusterRole(object, warn) : clusterRoleBinding(object, warn);
}

function clusterRole(object: Field, warn: Warn): ClusterRole {
  const { name } = metadataOf(object.get('metadata'));
  const aggregation = object.get('aggregationRule');
  if (!aggregation.isAbsent) {
    checkAggregation(aggregation);
    warn(`${aggregation.where}: aggregationRule is not followed, only the rules written here count`);
  }
  const rules = object
    .get('rules')
    .list()
    .map((rule) => policyRule(rule, warn));
  return {
    kind: 'ClusterRole',
    name,
    rules: rules.filter(({ nonResourceURLs }) => nonResourceURLs.length > 0),
    origin: object.where,
  };
}

function policyRule(rule: Field, warn: Warn): PolicyRule {
  warnOfOthers(rule, ['verbs', 'apiGroups', 'resources', 'resourceNames', 'nonResourceURLs'], warn);
  const verbs = rule.get('verbs').strings();
  const nonResourceURLs = rule.get('nonResourceURLs').strings();
  const [apiGroups, resources, resourceNames] = ['apiGroups', 'resources', 'resourceNames'].map((field) =>
    rule.get(field).strings(),
  );
  const has = (strings: readonly string[] | undefined): boolean =>
    strings !== undefined && strings.length > 0;
  if (!has(verbs)) rule.get('verbs').fail('must hold a verb');
  if (has(nonResourceURLs)) {
    if (has(apiGroups) || has(resources) || has(resourceNames)) {
      rule.get('nonResourceURLs').fail('must not stand beside resources: a rule is about either');
    }
  } else {
    if (!has(apiGroups)) rule.get('apiGroups').fail('must hold a group, or the rule nonResourceURLs');
    if (!has(resources)) rule.get('resources').fail('must hold a resource, or the rule nonResourceURLs');
  }
  return { verbs, nonResourceURLs };
}

function checkAggregation(aggregation: Field): void {
  const selectors = aggregation.get('clusterRoleSelectors');
  if (selectors.list().length === 0) selectors.fail('must hold a selector');
  for (const selector of selectors.list()) {
    checkLabels(selector.get('matchLabels'));
    for (const expression of selector.get('matchExpressions').list()) {
      checkQualifiedName(expression.get('key'), expression.get('key').string());
      const operator = expression.get('operator').oneOf('In', 'NotIn', 'Exists', 'DoesNotExist');
      const values = expression.get('values');
      if (values.strings().length > 0 !== operator.endsWith('In')) {
        values.fail(`must ${operator.endsWith('In') ? '' : 'not '}be given for ${operator}`);
      }
    }
  }
}

function clusterRoleBinding(object: Field, warn: Warn): ClusterRoleBinding {
  const { name, annotations } = metadataOf(object.get('metadata'));
  const roleRef = object.get('roleRef');
  warnOfOthers(roleRef, ['apiGroup', 'kind', 'name'], warn);
  roleRef.get('kind').oneOf('ClusterRole');
  checkGroup(roleRef.get('apiGroup'), rbacGroup);
  return {
    kind: 'ClusterRoleBinding',
    name,
    role: pathSegment(roleRef.get('name')),
    subjects: object
      .get('subjects')
      .list()
      .map((field) => subject(field, warn)),
    // An annotation without a value does nothing in kcp.
    replicated: (annotations.get(replicateAnnotation) ?? '') !== '',
    origin: object.where,
  };
}

function subject(field: Field, warn: Warn): Subject {
  warnOfOthers(field, ['kind', 'apiGroup', 'name', 'namespace'], warn);
  const kind = field.get('kind').oneOf('User', 'Group', 'ServiceAccount');
  const apiGroup = field.get('apiGroup');
  const namespace = field.get('namespace');
  if (kind === 'ServiceAccount') {
    checkGroup(apiGroup, '');
    return { kind, name: subdomainOf(field.get('name')), namespace: namespace.string() };
  }
  checkGroup(apiGroup, rbacGroup);
  namespace.optionalString();
  return { kind, name: field.get('name').string() };
}

/** One that is left out is the right one. */
function checkGroup(field: Field, group: string): void {
  const given = field.optionalString() ?? '';
  if (given === '' || given === group) return;
  field.fail(group === '' ? 'must be empty' : `must be ${group}, not ${JSON.stringify(given)}`);
}

/** As in other YAML files, what begins with `x-` is a place for anchors. */
const anchorPlace = /^x(?:-|$)/;

function warnOfOthers(object: Field, known: readonly string[], warn: Warn): void {
  for (const [name, field] of object.entries()) {
    if (!known.includes(name) && !anchorPlace.test(name)) {
      warn(`${field.where}: ${JSON.stringify(name.slice(0, 64))} is no field here and does nothing`);
    }
  }
}

/** What decides of an object's metadata. */
interface ObjectMetadata {
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
function metadataOf(metadata: Field): ObjectMetadata {
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
function pathSegment(field: Field): string {
  const name = field.string();
  if (name === '.' || name === '..' || /[/%]/.test(name)) field.fail('must not be . or .., nor hold / or %');
  return name;
}

/** A DNS subdomain, as names of ServiceAccounts are. @throws ManifestError */
function subdomainOf(field: Field): string {
  const name = field.string();
  return subdomain.test(name)
    ? name
    : field.fail('must be a DNS subdomain: lower-case letters, digits, - and .');
}

/** @throws ManifestError */
function checkLabels(labels: Field): void {
  for (const [key, field] of labels.entries()) {
    checkQualifiedName(field, key);
    if (!labelValue.test(field.optionalString() ?? '')) field.fail('is no value of a label');
  }
}

/** @throws ManifestError */
function checkQualifiedName(field: Field, name: string): void {
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
