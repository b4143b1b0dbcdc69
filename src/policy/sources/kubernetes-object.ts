import { presentOnly } from '../../present-only.js';
import { clusterPath } from '../../paths/classify.js';
import { clusterAnnotation, clusterOf, ofObjects, type Fields } from '../../kubernetes/json.js';
import type {
  ClusterRole,
  ClusterRoleBinding,
  LogicalCluster,
  PolicyRule,
  RbacObject,
  Subject,
} from '../objects.js';

const { fieldsOf, listOf, nonEmptyStringOf, stringOf, stringsOf } = ofObjects;

const group = '/apis/rbac.authorization.k8s.io/v1';

/** Where a kind is listed and watched. */
export const pathOf: Readonly<Record<RbacObject['kind'], string>> = {
  ClusterRole: `${group}/clusterroles`,
  ClusterRoleBinding: `${group}/clusterrolebindings`,
};

/** kcp copies a binding to other shards only with this annotation; any value but the empty one counts. */
export const replicateAnnotation = 'internal.kcp.io/replicate';

/** Of a LogicalCluster. */
export const pathAnnotation = 'kcp.io/path';
export const requiredGroupsAnnotation = 'authorization.kcp.io/required-groups';

/** More than any workspace's; longer ones would take from others what decisions and lists of workspaces cost. */
const maxPathLength = 1024;
const maxRequiredGroupsLength = 8 * 1024;
const maxRequiredGroups = 256;
/** Of all rules of a role for paths: verbs and URLs. */
const maxRuleTexts = 4096;

/**
 * Whether it can be the path of a workspace. Its owner writes it: a single name could be that of a logical cluster of another
 * shard, `root` above all, and what begins with `system:` is kcp's own.
 */
export function isWorkspacePath(path: string): boolean {
  const isOfWorkspace = path.includes(':') && !path.startsWith('system:');
  return isOfWorkspace && path.length <= maxPathLength && clusterPath.test(path);
}

/** Whether there are so many required groups, in all clauses, that they are not looked through. */
export function areTooManyGroups(requiredGroups: string): boolean {
  return (
    requiredGroups.length > maxRequiredGroupsLength ||
    requiredGroups.split(/[,;]/, maxRequiredGroups + 1).length > maxRequiredGroups
  );
}

/** In these kcp lets users in; in others, and in those that may be added, nobody. */
const openPhases: readonly unknown[] = ['Initializing', 'Ready', 'Terminating', 'Deleting'];
/** On a LogicalCluster that is switched off: kcp refuses every request. The second is the older name. */
const inactiveAnnotations = ['core.kcp.io/inactive', 'internal.kcp.io/inactive'] as const;

/** Whether a LogicalCluster's phase and annotations say that there is a workspace to speak of. */
export function isOpenWorkspace(phase: unknown, annotation: (key: string) => unknown): boolean {
  return openPhases.includes(phase) && inactiveAnnotations.every((key) => annotation(key) !== 'true');
}

/** A ClusterRole as an API server sends it, reduced to its rules for paths. @throws MalformedError */
export function clusterRoleOf(object: unknown): ClusterRole {
  const fields = fieldsOf(object, 'object');
  return {
    kind: 'ClusterRole',
    name: nameOf(fields),
    rules: listOf(fields['rules'], 'rules').flatMap(pathRule),
  };
}

/** A ClusterRoleBinding as an API server sends it. @throws MalformedError */
export function clusterRoleBindingOf(object: unknown): ClusterRoleBinding {
  const fields = fieldsOf(object, 'object');
  const roleRef = fieldsOf(fields['roleRef'], 'roleRef');
  const annotations = annotationsOf(fields);
  return {
    kind: 'ClusterRoleBinding',
    name: nameOf(fields),
    role: interned(stringOf(roleRef['name'], 'roleRef.name')),
    // An API server accepts no other kind; if one ever does, the binding grants nothing here.
    subjects:
      roleRef['kind'] === 'ClusterRole' ? listOf(fields['subjects'], 'subjects').flatMap(subject) : [],
    replicated: Object.hasOwn(annotations, replicateAnnotation) && annotations[replicateAnnotation] !== '',
  };
}

/**
 * A LogicalCluster as kcp sends it. The owner of a workspace may write its annotations: what cannot be its path is none,
 * and one with too many required groups is not ready for anybody. @throws MalformedError
 */
export function logicalClusterOf(object: unknown): LogicalCluster {
  const fields = fieldsOf(object, 'object');
  const annotations = annotationsOf(fields);
  const textOf = (key: string): string | undefined => {
    const value = annotations[key] ?? undefined;
    return value === undefined ? undefined : stringOf(value, key);
  };
  const path = textOf(pathAnnotation) ?? '';
  const requiredGroups = textOf(requiredGroupsAnnotation);
  const isFollowed = requiredGroups === undefined || !areTooManyGroups(requiredGroups);
  return {
    kind: 'LogicalCluster',
    name: nameOf(fields),
    cluster: requiredCluster(object),
    ...presentOnly({
      path: isWorkspacePath(path) ? path : undefined,
      requiredGroups: isFollowed ? requiredGroups : undefined,
    }),
    isReady: isFollowed && isOpenWorkspace(fieldsOf(fields['status'] ?? {}, 'status')['phase'], textOf),
  };
}

/**
 * The same object, with the logical cluster it stands in. A role with more verbs and URLs than any grants nothing: the owner
 * of a workspace writes it, and each of them takes some forty times its length in memory.
 *
 * @throws MalformedError where it does not say in which it stands.
 */
export function inCluster(decode: (object: unknown) => RbacObject): (object: unknown) => RbacObject {
  return (object) => {
    const made = decode(object);
    const cluster = requiredCluster(object);
    return made.kind === 'ClusterRole' && areTooManyRules(made.rules)
      ? { ...made, cluster, rules: [] }
      : { ...made, cluster };
  };
}

function areTooManyRules(rules: readonly PolicyRule[]): boolean {
  return (
    rules.reduce((sum, { verbs, nonResourceURLs }) => sum + verbs.length + nonResourceURLs.length, 0) >
    maxRuleTexts
  );
}

function requiredCluster(object: unknown): string {
  return interned(nonEmptyStringOf(clusterOf(object), clusterAnnotation));
}

function annotationsOf(object: Fields): Fields {
  return fieldsOf(fieldsOf(object['metadata'], 'metadata')['annotations'] ?? {}, 'annotations');
}

function pathRule(rule: unknown): readonly PolicyRule[] {
  const fields = fieldsOf(rule, 'rule');
  const nonResourceURLs = stringsOf(fields['nonResourceURLs'], 'nonResourceURLs');
  return nonResourceURLs.length === 0
    ? []
    : [{ verbs: stringsOf(fields['verbs'], 'verbs'), nonResourceURLs }];
}

/** Subjects of unknown kinds are left out. */
function subject(value: unknown): readonly Subject[] {
  const fields = fieldsOf(value, 'subject');
  const name = stringOf(fields['name'], 'subject.name');
  switch (fields['kind']) {
    case 'User':
    case 'Group':
      return [{ kind: fields['kind'], name }];
    case 'ServiceAccount': {
      const namespace = fields['namespace'];
      return [
        typeof namespace === 'string' && namespace !== ''
          ? { kind: 'ServiceAccount', name, namespace: interned(namespace) }
          : { kind: 'ServiceAccount', name },
      ];
    }
    default:
      return [];
  }
}

function nameOf(object: Fields): string {
  return nonEmptyStringOf(fieldsOf(object['metadata'], 'metadata')['name'], 'metadata.name');
}

const maxInterned = 10_000;
const internedStrings = new Map<string, string>();

/** Thousands of bindings name the same few roles: they share one string. */
function interned(text: string): string {
  const known = internedStrings.get(text);
  if (known !== undefined) return known;
  if (internedStrings.size >= maxInterned) internedStrings.clear();
  internedStrings.set(text, text);
  return text;
}
