import type { ApiRequest } from '../kubernetes/api-client.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../outgoing/outgoing-errors.js';
import { replicateAnnotation } from '../policy/sources/kubernetes-object.js';
import type { Change, RootObject } from './root-objects.js';

/**
 * This project's entry in the annotation `internal.kcp.io/replicate`. kcp copies a ClusterRole or ClusterRoleBinding
 * whose annotation has a value to its cache server, and so to the other shards. The value is a comma-separated list
 * with an entry for each party that wants the object copied; each adds and removes its own alone.
 */
export const ownEntry = 'kcp-metrics-filter';

/** An empty value copies nothing. */
export function isReplicated(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

export function hasOwnEntry(value: string | undefined): boolean {
  return value?.split(',').includes(ownEntry) ?? false;
}

/** What is left of the value; undefined where no other party wants the object copied. */
export function withoutOwnEntry(value: string): string | undefined {
  const others = value.split(',').filter((entry) => entry !== ownEntry);
  return others.every((entry) => entry === '') ? undefined : others.join(',');
}

/** The annotation's value after a change; undefined where it is removed. */
export function valueAfter({ action, object }: Change): string | undefined {
  return action === 'add' ? ownEntry : withoutOwnEntry(object.replicate ?? '');
}

const group = '/apis/rbac.authorization.k8s.io/v1';

/** Where a kind is listed and watched. */
export const pathOf: Readonly<Record<RootObject['kind'], string>> = {
  ClusterRole: `${group}/clusterroles`,
  ClusterRoleBinding: `${group}/clusterrolebindings`,
};

/**
 * The request that makes a change: a JSON merge patch (RFC 7386) of the annotation alone. The server answers 409 where
 * the object was replaced or modified since the change was planned.
 */
export function annotationPatch(change: Change): ApiRequest {
  const { kind, name, uid, resourceVersion } = change.object;
  const annotations = { [replicateAnnotation]: valueAfter(change) ?? null };
  // Colons, of which RBAC's names have many, stay legible in audit logs.
  const segment = encodeURIComponent(name.toWellFormed()).replaceAll('%3A', ':');
  return {
    method: 'PATCH',
    path: `${pathOf[kind]}/${segment}`,
    query: { fieldManager: 'kcp-metrics-filter' },
    body: {
      contentType: 'application/merge-patch+json',
      json: { metadata: { uid, resourceVersion, annotations } },
    },
  };
}

/** Why a patch was not made, or is not known to have been made. */
export type PatchFailure =
  /** The object no longer exists. */
  | { readonly kind: 'gone' }
  /** The object has changed since. */
  | { readonly kind: 'conflict' }
  /** Trying again will not help before something else changes. */
  | { readonly kind: 'refused'; readonly message: string }
  /** It may work later. */
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryAfterMs: number | undefined };

/** Of a patch of the object. @throws the error itself where it does not come from a request. */
export function patchFailureOf(error: unknown, { kind, name }: RootObject): PatchFailure {
  if (error instanceof ApiConnectionError || error instanceof ApiContentError) {
    return { kind: 'unavailable', message: error.message, retryAfterMs: undefined };
  }
  if (!(error instanceof ApiStatusError)) throw error;
  const { status, reason, about, retryAfterMs } = error;
  // A missing role of a binding is answered 404 as well, where the server checks what may be bound.
  if (status === 404 && about?.resource === `${kind.toLowerCase()}s` && about.name === name) {
    return { kind: 'gone' };
  }
  if (status === 409) return { kind: 'conflict' };
  const head = reason === undefined ? String(status) : `${status} ${reason}`;
  const message = error.message === `status ${status}` ? head : `${head}: ${error.message}`;
  // A 401 passes where a token is being renewed.
  if (status === 401 || status === 408 || status === 429 || status >= 500) {
    return { kind: 'unavailable', message, retryAfterMs };
  }
  return { kind: 'refused', message };
}
