import type { ApiRequest } from '../kubernetes/api-client.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../outgoing/outgoing-errors.js';
import { pathOf, replicateAnnotation } from '../policy/sources/kubernetes-object.js';
import type { Change, RootObject } from './root-objects.js';

/**
 * This project's entry in the annotation `internal.kcp.io/replicate`. kcp copies a ClusterRole or ClusterRoleBinding
 * whose annotation has a value to its cache server, and so to the other shards. The value is a comma-separated list
 * with an entry for each party that wants the object copied; each adds and removes only its own.
 */
export const ownEntry = 'kcp-metrics-filter';

/** An empty value copies nothing. */
export function isReplicated(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

export function hasOwnEntry(value: string | undefined): boolean {
  return value?.split(',').includes(ownEntry) ?? false;
}

/** The rest of the value; undefined if no other party wants the object copied. */
export function withoutOwnEntry(value: string): string | undefined {
  const others = value.split(',').filter((entry) => entry !== ownEntry);
  return others.every((entry) => entry === '') ? undefined : others.join(',');
}

/** The annotation's value after a change; undefined if it is removed. */
export function valueAfter({ action, object }: Change): string | undefined {
  return action === 'add' ? ownEntry : withoutOwnEntry(object.replicate ?? '');
}

/**
 * The request that makes a change: a JSON merge patch (RFC 7386) of the annotation alone. The server answers 409 if the
 * object was replaced or modified since the change was planned.
 */
export function annotationPatch(change: Change): ApiRequest {
  const { kind, name, uid, resourceVersion } = change.object;
  const annotations = { [replicateAnnotation]: valueAfter(change) ?? null };
  // RBAC's names have many colons, which stay legible in audit logs.
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

/** Why a patch failed, or may have failed. */
export type PatchFailure =
  /** The object no longer exists. */
  | { readonly kind: 'gone' }
  /** The object has changed since. */
  | { readonly kind: 'conflict' }
  /** Trying again does not help until something else changes. */
  | { readonly kind: 'refused'; readonly message: string }
  /** A later try may succeed. */
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryAfterMs: number | undefined };

/** Why a patch of the object failed. @throws the error itself if it does not come from a request. */
export function patchFailureOf(error: unknown, { kind, name }: RootObject): PatchFailure {
  if (error instanceof ApiConnectionError || error instanceof ApiContentError) {
    return { kind: 'unavailable', message: error.message, retryAfterMs: undefined };
  }
  if (!(error instanceof ApiStatusError)) throw error;
  const { status, reason, about, retryAfterMs } = error;
  // A missing role of a binding is answered 404, too, if the server checks what may be bound.
  if (status === 404 && about?.resource === `${kind.toLowerCase()}s` && about.name === name) {
    return { kind: 'gone' };
  }
  if (status === 409) return { kind: 'conflict' };
  const head = reason === undefined ? String(status) : `${status} ${reason}`;
  const message = error.message === `status ${status}` ? head : `${head}: ${error.message}`;
  // A 401 ends when a token is renewed.
  if (status === 401 || status === 408 || status === 429 || status >= 500) {
    return { kind: 'unavailable', message, retryAfterMs };
  }
  return { kind: 'refused', message };
}
