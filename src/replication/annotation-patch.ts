import type { ApiRequest } from '../kubernetes/api-client.js';
import { replicateAnnotation } from '../policy/sources/kubernetes-object.js';
import type { Change } from './plan.js';
import { ownWord, withoutOwnWord } from './replicate-annotation.js';
import type { RootObject } from './root-object.js';

const group = '/apis/rbac.authorization.k8s.io/v1';

/** Where a kind is listed and watched. */
export const pathOf: Readonly<Record<RootObject['kind'], string>> = {
  ClusterRole: `${group}/clusterroles`,
  ClusterRoleBinding: `${group}/clusterrolebindings`,
};

/** The annotation's value after a change; undefined where it goes. */
export function valueAfter({ action, object }: Change): string | undefined {
  return action === 'add' ? ownWord : withoutOwnWord(object.replicate ?? '');
}

/**
 * The request that makes a change: a JSON merge patch (RFC 7386) of the annotation alone. It is refused with a
 * 409 where the object is no longer the one, or no longer as, the change was planned for.
 */
export function annotationPatch(change: Change): ApiRequest {
  const { kind, name, uid, resourceVersion } = change.object;
  return {
    method: 'PATCH',
    path: `${pathOf[kind]}/${pathSegment(name)}`,
    query: { fieldManager: 'kcp-metrics-filter' },
    body: {
      contentType: 'application/merge-patch+json',
      json: {
        metadata: {
          uid,
          resourceVersion,
          annotations: { [replicateAnnotation]: valueAfter(change) ?? null },
        },
      },
    },
  };
}

/** Colons, of which RBAC's names have many, stay legible in audit logs. */
function pathSegment(name: string): string {
  // A name that is no text is no object's, and its patch is answered so.
  return encodeURIComponent(name.toWellFormed()).replaceAll('%3A', ':');
}
