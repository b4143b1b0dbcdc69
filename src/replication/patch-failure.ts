import { ApiConnectionError, ApiContentError, ApiStatusError } from '../outgoing/api-error.js';
import type { RootObject } from './root-object.js';

/** Why a patch was not made, or is not known to be. */
export type PatchFailure =
  /** The object is not there any more. */
  | { readonly kind: 'gone' }
  /** The object has changed since. */
  | { readonly kind: 'conflict' }
  /** Trying again will not help before something else changes. */
  | { readonly kind: 'refused'; readonly message: string }
  /** It may work later. */
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryAfterMs: number | undefined };

/** Of a patch of the object. @throws the error itself where it does not come from a request. */
export function patchFailureOf(error: unknown, object: RootObject): PatchFailure {
  if (error instanceof ApiConnectionError || error instanceof ApiContentError) {
    return { kind: 'unavailable', message: error.message, retryAfterMs: undefined };
  }
  if (!(error instanceof ApiStatusError)) throw error;
  const { status, retryAfterMs } = error;
  // A binding's role that is not there is answered 404, too, where nothing else lets us bind it.
  if (status === 404 && isAbout(error, object)) return { kind: 'gone' };
  if (status === 409) return { kind: 'conflict' };
  const message = described(error);
  // A 401 passes where a token is being renewed.
  if (status === 401 || status === 408 || status === 429 || status >= 500) {
    return { kind: 'unavailable', message, retryAfterMs };
  }
  return { kind: 'refused', message };
}

function isAbout({ about }: ApiStatusError, { kind, name }: RootObject): boolean {
  return about?.resource === `${kind.toLowerCase()}s` && about.name === name;
}

function described({ status, reason, message }: ApiStatusError): string {
  const head = reason === undefined ? String(status) : `${status} ${reason}`;
  return message === `status ${status}` ? head : `${head}: ${message}`;
}
