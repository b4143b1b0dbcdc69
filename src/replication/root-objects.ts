import {
  grantsBeyondMetrics,
  shardLevelGrants,
  type ShardLevelGrant,
} from '../authorization/shard-level-grants.js';
import { ofObjects, type Fields } from '../kubernetes/json.js';
import { coversVerb, grantsOf } from '../policy/index/roles.js';
import type { PolicyObject, PolicyRule } from '../policy/objects.js';
import { replicateAnnotation } from '../policy/sources/kubernetes-object.js';

const { fieldsOf, listOf, nonEmptyStringOf, stringOf, stringsOf } = ofObjects;

/** What a ClusterRole grants, as far as it matters for replication. */
export interface RoleGrants {
  readonly shardLevel: readonly ShardLevelGrant[];
  /** Whether it also grants resources. */
  readonly resources: boolean;
  /** What it grants on paths besides reading metrics. */
  readonly beyond: readonly ShardLevelGrant[];
}

/** Of the root workspace. */
export type RootRole = Readonly<ReturnType<typeof decodeRole>>;
export type RootBinding = Readonly<ReturnType<typeof decodeBinding>>;
export type RootObject = RootRole | RootBinding;

/** Everything in the root workspace that replication depends on. */
export interface RootPolicy {
  readonly roles: ReadonlyMap<string, RootRole>;
  readonly bindings: ReadonlyMap<string, RootBinding>;
}

/** Tells objects of both kinds apart. */
export function keyOf({ kind, name }: Pick<RootObject, 'kind' | 'name'>): string {
  return `${kind}/${name}`;
}

/** Reads a ClusterRole from an API server, reduced to what matters here. @throws MalformedError */
export function decodeRole(object: unknown) {
  const role = fieldsOf(object, 'a ClusterRole');
  const rules = listOf(role['rules'], 'rules').map((rule) => fieldsOf(rule, 'a rule'));
  const metadata = metadataOf(role);
  const pathRules = rules.map((rule) => ({
    verbs: stringsOf(rule['verbs'], 'verbs'),
    nonResourceURLs: stringsOf(rule['nonResourceURLs'], 'nonResourceURLs'),
  }));
  const resources = rules.some((rule) => stringsOf(rule['resources'], 'resources').length > 0);
  const grants = roleGrants(metadata.name, pathRules, resources);
  return { kind: 'ClusterRole' as const, ...metadata, grants };
}

/** A ClusterRoleBinding, likewise. @throws MalformedError */
export function decodeBinding(object: unknown) {
  const binding = fieldsOf(object, 'a ClusterRoleBinding');
  return {
    kind: 'ClusterRoleBinding' as const,
    ...metadataOf(binding),
    /** Name of the ClusterRole. */
    role: nonEmptyStringOf(fieldsOf(binding['roleRef'], 'roleRef')['name'], 'name'),
    hasSubjects: listOf(binding['subjects'], 'subjects').length > 0,
  };
}

function metadataOf(object: Fields) {
  const metadata = fieldsOf(object['metadata'], 'metadata');
  const annotations = fieldsOf(metadata['annotations'] ?? {}, 'annotations');
  const hasAnnotation = Object.hasOwn(annotations, replicateAnnotation);
  return {
    name: nonEmptyStringOf(metadata['name'], 'name'),
    uid: nonEmptyStringOf(metadata['uid'], 'uid'),
    resourceVersion: nonEmptyStringOf(metadata['resourceVersion'], 'resourceVersion'),
    /** The annotation `internal.kcp.io/replicate`, where there is one. */
    replicate: hasAnnotation ? stringOf(annotations[replicateAnnotation], replicateAnnotation) : undefined,
  };
}

/**
 * kcp's own roles, which every shard has in `system:admin` and which bindings of the root workspace may name. The
 * bootstrap policy holds only their rules for paths: a role that grants everything on every path is an administrator's
 * and also grants every resource. What `system:monitoring` grants on nodes does not count: kcp has none.
 */
export function bootstrapRoleGrants(objects: readonly PolicyObject[]): ReadonlyMap<string, RoleGrants> {
  const roles = objects.filter((object) => object.kind === 'ClusterRole');
  return new Map(
    roles.map(({ name, rules }) => {
      const isForAll = grantsOf(rules).prefix.some(([url, verbs]) => url === '' && coversVerb(verbs, '*'));
      return [name, roleGrants(name, rules, isForAll)];
    }),
  );
}

function roleGrants(name: string, rules: readonly PolicyRule[], resources: boolean): RoleGrants {
  return { shardLevel: shardLevelGrants(rules), resources, beyond: grantsBeyondMetrics(name, rules) };
}

/** Why this project's entry is removed from an object. */
export type RemovalReason =
  | 'grants-no-shard-level-path'
  | 'grants-resources'
  | 'grants-beyond-metrics'
  | 'names-nobody'
  /** No binding needs the role on other shards. */
  | 'not-bound';

export type Change =
  /** The object lacks the annotation; `grants` is why it should have it. */
  | { readonly action: 'add'; readonly object: RootObject; readonly grants: readonly ShardLevelGrant[] }
  /** The object has this project's entry but does not need it. */
  | { readonly action: 'remove'; readonly object: RootObject; readonly reason: RemovalReason };
