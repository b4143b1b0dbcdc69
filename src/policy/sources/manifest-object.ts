import type { ClusterRole, ClusterRoleBinding, PolicyObject, PolicyRule, Subject } from '../objects.js';
import { replicateAnnotation } from './kubernetes-object.js';
import type { Field } from '../../documents/field.js';
import {
  checkLabels,
  checkQualifiedName,
  metadataOf,
  pathSegment,
  subdomainOf,
} from './manifest-metadata.js';

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
