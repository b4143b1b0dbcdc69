import type { Field } from '../../documents/field.js';
import { presentOnly } from '../../present-only.js';
import { clusterAnnotation } from '../../kubernetes/json.js';
import { clusterName, clusterPath } from '../../paths/classify.js';
import type {
  ClusterRole,
  ClusterRoleBinding,
  LogicalCluster,
  PolicyObject,
  PolicyRule,
  Subject,
} from '../objects.js';
import {
  areTooManyGroups,
  isOpenWorkspace,
  isWorkspacePath,
  pathAnnotation,
  replicateAnnotation,
  requiredGroupsAnnotation,
} from './kubernetes-object.js';

/** Takes a warning: one line. */
type Warn = (message: string) => void;

const rbacGroup = 'rbac.authorization.k8s.io';

/**
 * An object of a manifest, reduced to what decisions need. What an API server refuses (Kubernetes'
 * `pkg/apis/rbac/validation`) is refused, so that nothing grants here that would not grant there. Unknown fields, which an
 * API server drops, cause a warning. With `ofWorkspaces`, each has to name its logical cluster.
 *
 * @throws ManifestError
 */
export function policyObject(
  kind: PolicyObject['kind'],
  object: Field,
  ofWorkspaces: boolean,
  warn: Warn,
): PolicyObject {
  if (kind === 'LogicalCluster') return logicalCluster(object);
  const made = kind === 'ClusterRole' ? clusterRole(object, warn) : clusterRoleBinding(object, warn);
  return ofWorkspaces ? { ...made, cluster: clusterOf(object.get('metadata')) } : made;
}

function logicalCluster(object: Field): LogicalCluster {
  const metadata = object.get('metadata');
  const { name, annotations } = metadataOf(metadata);
  if (name !== 'cluster') metadata.get('name').fail('must be cluster');
  const path = annotations.get(pathAnnotation) ?? '';
  if (path !== '' && !isWorkspacePath(path)) {
    metadata.get('annotations').get(pathAnnotation).fail('is no path of a workspace, such as root:org');
  }
  const requiredGroups = annotations.get(requiredGroupsAnnotation);
  if (requiredGroups !== undefined && areTooManyGroups(requiredGroups)) {
    metadata.get('annotations').get(requiredGroupsAnnotation).fail('names more groups than are followed');
  }
  return {
    kind: 'LogicalCluster',
    name,
    cluster: clusterOf(metadata),
    ...presentOnly({ path: path === '' ? undefined : path, requiredGroups }),
    // Whoever writes a manifest need not write a status.
    isReady: isOpenWorkspace(object.get('status').get('phase').optionalString() ?? 'Ready', (key) =>
      annotations.get(key),
    ),
    origin: object.where,
  };
}

function clusterOf(metadata: Field): string {
  const field = metadata.get('annotations').get(clusterAnnotation);
  if (field.isEmpty) {
    metadata.fail(`needs the annotation ${clusterAnnotation}: in which logical cluster it stands`);
  }
  const cluster = field.string();
  if (!clusterPath.test(cluster) || !clusterName.test(cluster)) field.fail('is no name of a logical cluster');
  return cluster;
}

function clusterRole(object: Field, warn: Warn): ClusterRole {
  warnOfOthers(object, ['apiVersion', 'kind', 'metadata', 'rules', 'aggregationRule'], warn);
  const { name } = metadataOf(object.get('metadata'));
  const aggregation = object.get('aggregationRule');
  if (!aggregation.isAbsent) {
    checkAggregation(aggregation);
    warn(`${aggregation.where}: aggregationRule is not followed, only the rules written here count`);
  }
  const rules = object
    .get('rules')
    .list()
    .map((rule) => policyRule(rule, warn))
    .filter(({ nonResourceURLs }) => nonResourceURLs.length > 0);
  return { kind: 'ClusterRole', name, rules, origin: object.where };
}

function policyRule(rule: Field, warn: Warn): PolicyRule {
  warnOfOthers(rule, ['verbs', 'apiGroups', 'resources', 'resourceNames', 'nonResourceURLs'], warn);
  const verbs = rule.get('verbs').strings();
  const nonResourceURLs = rule.get('nonResourceURLs').strings();
  const [apiGroups = 0, resources = 0, resourceNames = 0] = ['apiGroups', 'resources', 'resourceNames'].map(
    (field) => rule.get(field).strings().length,
  );
  if (verbs.length === 0) rule.get('verbs').fail('must hold a verb');
  if (nonResourceURLs.length > 0) {
    if (apiGroups + resources + resourceNames > 0) {
      rule.get('nonResourceURLs').fail('cannot be combined with resources: a rule covers one of them');
    }
  } else {
    if (apiGroups === 0) rule.get('apiGroups').fail('must hold a group, or the rule nonResourceURLs');
    if (resources === 0) rule.get('resources').fail('must hold a resource, or the rule nonResourceURLs');
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
  warnOfOthers(object, ['apiVersion', 'kind', 'metadata', 'roleRef', 'subjects'], warn);
  const { name, annotations } = metadataOf(object.get('metadata'));
  const roleRef = object.get('roleRef');
  warnOfOthers(roleRef, ['apiGroup', 'kind', 'name'], warn);
  roleRef.get('kind').oneOf('ClusterRole');
  checkGroup(roleRef.get('apiGroup'), rbacGroup);
  const role = pathSegment(roleRef.get('name'));
  const subjects = object.get('subjects').list();
  return {
    kind: 'ClusterRoleBinding',
    name,
    role,
    subjects: subjects.map((field) => subject(field, warn)),
    // An annotation without a value does nothing in kcp.
    replicated: (annotations.get(replicateAnnotation) ?? '') !== '',
    origin: object.where,
  };
}

function subject(field: Field, warn: Warn): Subject {
  warnOfOthers(field, ['kind', 'apiGroup', 'name', 'namespace'], warn);
  const kind = field.get('kind').oneOf('User', 'Group', 'ServiceAccount');
  const [apiGroup, name, namespace] = [field.get('apiGroup'), field.get('name'), field.get('namespace')];
  if (kind === 'ServiceAccount') {
    checkGroup(apiGroup, '');
    if (!subdomain.test(name.string())) {
      name.fail('must be a DNS subdomain: lower-case letters, digits, - and .');
    }
    return { kind, name: name.string(), namespace: namespace.string() };
  }
  checkGroup(apiGroup, rbacGroup);
  namespace.optionalString();
  return { kind, name: name.string() };
}

/** One that is left out is the right one. */
function checkGroup(field: Field, group: string): void {
  const given = field.optionalString() ?? '';
  if (given === '' || given === group) return;
  field.fail(group === '' ? 'must be empty' : `must be ${group}, not ${JSON.stringify(given)}`);
}

function warnOfOthers(object: Field, known: readonly string[], warn: Warn): void {
  for (const [name, field] of object.entries()) {
    // As in other YAML files, what begins with `x-` is a place for anchors.
    if (!known.includes(name) && !/^x(?:-|$)/.test(name)) {
      warn(`${field.where}: ${JSON.stringify(name.slice(0, 64))} is not a known field and is ignored`);
    }
  }
}

/** Kubernetes' qualified name: a name, behind a DNS subdomain and a slash if it has one. */
const qualifiedName = /^(?:([^/]*)\/)?(?=[^/]{1,63}$)[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?$/;
const subdomain = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(?=.{0,63}$)(?:[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?)?$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const standardFinalizers: readonly string[] = ['foregroundDeletion', 'kubernetes', 'orphan'];
const maxAnnotationBytes = 256 * 1024;

/**
 * The metadata of an object that has no namespace, checked as an API server checks it (`ValidateObjectMeta` of
 * Kubernetes' apimachinery). One with a namespace is accepted: an API server drops it.
 */
function metadataOf(metadata: Field) {
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
  for (const finalizer of metadata.get('finalizers').list()) {
    const text = finalizer.string();
    checkQualifiedName(finalizer, text);
    if (!text.includes('/') && !standardFinalizers.includes(text)) {
      finalizer.fail('is no finalizer, such as example.com/name');
    }
  }
  for (const owner of metadata.get('ownerReferences').list()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid']) owner.get(field).string();
  }
  // An API server drops the unreadable ones.
  for (const managed of metadata.get('managedFields').list()) managed.requireObject();
  return { name, annotations: annotationsOf(metadata.get('annotations')) };
}

/** A name usable in a URL's path. Kubernetes: `IsPathSegmentName`. */
function pathSegment(field: Field): string {
  const name = field.string();
  if (name === '.' || name === '..' || /[/%]/.test(name)) field.fail('must not be . or .., nor hold / or %');
  return name;
}

function checkLabels(labels: Field): void {
  for (const [key, field] of labels.entries()) {
    checkQualifiedName(field, key);
    if (!labelValue.test(field.optionalString() ?? '')) field.fail('is no value of a label');
  }
}

function checkQualifiedName(field: Field, name: string): void {
  const found = qualifiedName.exec(name);
  if (found === null || (found[1] !== undefined && !subdomain.test(found[1]))) {
    field.fail('is no qualified name, such as example.com/name');
  }
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
