import { replicateAnnotation } from '../policy/sources/kubernetes-object.js';
import {
  fieldsOf,
  listOf,
  nonEmptyStringOf,
  stringOf,
  stringsOf,
  type Fields,
} from '../policy/sources/object-fields.js';
import type { RootBinding, RootRole } from './root-object.js';
import { pathGrants } from './role-grants.js';

/** A ClusterRole as an API server sends it, reduced to what decides here. @throws MalformedObjectError */
export function decodeRole(object: unknown): RootRole {
  const role = fieldsOf(object, 'a ClusterRole');
  const rules = listOf(role['rules'], 'rules').map((rule) => fieldsOf(rule, 'a rule'));
  const metadata = metadataOf(role);
  return {
    kind: 'ClusterRole',
    ...metadata,
    grants: {
      ...pathGrants(
        metadata.name,
        rules.map((rule) => ({
          verbs: stringsOf(rule['verbs'], 'verbs'),
          nonResourceURLs: stringsOf(rule['nonResourceURLs'], 'nonResourceURLs'),
        })),
      ),
      resources: rules.some((rule) => stringsOf(rule['resources'], 'resources').length > 0),
    },
  };
}

/** A ClusterRoleBinding, likewise. @throws MalformedObjectError */
export function decodeBinding(object: unknown): RootBinding {
  const binding = fieldsOf(object, 'a ClusterRoleBinding');
  return {
    kind: 'ClusterRoleBinding',
    ...metadataOf(binding),
    role: nonEmptyStringOf(fieldsOf(binding['roleRef'], 'roleRef')['name'], 'name'),
    hasSubjects: listOf(binding['subjects'], 'subjects').length > 0,
  };
}

function metadataOf(object: Fields): Pick<RootRole, 'name' | 'uid' | 'resourceVersion' | 'replicate'> {
  const metadata = fieldsOf(object['metadata'], 'metadata');
  const annotations = fieldsOf(metadata['annotations'] ?? {}, 'annotations');
  const hasAnnotation = Object.hasOwn(annotations, replicateAnnotation);
  return {
    name: nonEmptyStringOf(metadata['name'], 'name'),
    uid: nonEmptyStringOf(metadata['uid'], 'uid'),
    resourceVersion: nonEmptyStringOf(metadata['resourceVersion'], 'resourceVersion'),
    replicate: hasAnnotation ? stringOf(annotations[replicateAnnotation], replicateAnnotation) : undefined,
  };
}
