import { MalformedObjectError, replicateAnnotation } from '../policy-sources/kubernetes-object.js';
import type { RootBinding, RootRole } from './root-object.js';
import { shardLevelGrants } from '../authorization/shard-level-grants.js';

type Members = Readonly<Record<string, unknown>>;

/** A ClusterRole as an API server sends it, reduced to what decides here. @throws MalformedObjectError */
export function decodeRole(object: unknown): RootRole {
  const role = membersOf(object, 'a ClusterRole');
  const rules = list(role, 'rules').map((rule) => membersOf(rule, 'a rule'));
  return {
    kind: 'ClusterRole',
    ...metadataOf(role),
    grants: {
      shardLevel: shardLevelGrants(
        rules.map((rule) => ({
          verbs: strings(rule, 'verbs'),
          nonResourceURLs: strings(rule, 'nonResourceURLs'),
        })),
      ),
      resources: rules.some((rule) => strings(rule, 'resources').length > 0),
    },
  };
}

/** A ClusterRoleBinding, likewise. @throws MalformedObjectError */
export function decodeBinding(object: unknown): RootBinding {
  const binding = membersOf(object, 'a ClusterRoleBinding');
  return {
    kind: 'ClusterRoleBinding',
    ...metadataOf(binding),
    role: string(membersOf(binding['roleRef'], 'roleRef'), 'name'),
    hasSubjects: list(binding, 'subjects').length > 0,
  };
}

function metadataOf(object: Members): Pick<RootRole, 'name' | 'uid' | 'resourceVersion' | 'replicate'> {
  const metadata = membersOf(object['metadata'], 'metadata');
  const annotations = membersOf(metadata['annotations'] ?? {}, 'annotations');
  const hasAnnotation = Object.hasOwn(annotations, replicateAnnotation);
  return {
    name: string(metadata, 'name'),
    uid: string(metadata, 'uid'),
    resourceVersion: string(metadata, 'resourceVersion'),
    replicate: hasAnnotation ? text(annotations, replicateAnnotation) : undefined,
  };
}

function membersOf(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedObjectError(`${what} is not an object`);
  }
  return { ...value };
}

function list(object: Members, key: string): readonly unknown[] {
  const value = object[key] ?? [];
  if (!Array.isArray(value)) throw new MalformedObjectError(`${key} is not a list`);
  return value;
}

function strings(object: Members, key: string): readonly string[] {
  return list(object, key).map((item) => {
    if (typeof item !== 'string') throw new MalformedObjectError(`${key} holds what is not a string`);
    return item;
  });
}

function text(object: Members, key: string): string {
  const value = object[key];
  if (typeof value !== 'string') throw new MalformedObjectError(`${key} is not a string`);
  return value;
}

function string(object: Members, key: string): string {
  const value = text(object, key);
  if (value === '') throw new MalformedObjectError(`${key} is empty`);
  return value;
}
