import { none, type Authentication, type Credentials } from '../authenticator.js';

export type BearerToken =
  | { readonly kind: 'none'; readonly authentication: Authentication }
  /** Latin-1, as the header brought it. */
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'malformed' };

const nothing: BearerToken = { kind: 'none', authentication: none };
/** Says by its identity that a token was ignored for the extra space before it: the client is warned of that. */
export const afterExtraSpace: Authentication = Object.freeze({ kind: 'none' });
const ignored: BearerToken = { kind: 'none', authentication: afterExtraSpace };

/**
 * The token of an `Authorization: Bearer <token>` header (RFC 6750, section 2.1), read as kube-apiserver
 * reads it: of several headers the first, the scheme in any case, exactly one space. Text behind the token
 * makes it malformed: kube-apiserver cuts it off, but nobody can have meant it.
 */
export function bearerToken({ headers }: Credentials): BearerToken {
  const [scheme, token = '', ...rest] = (headers['authorization']?.[0] ?? '').trim().split(' ', 3);
  if (scheme?.toLowerCase() !== 'bearer') return nothing;
  if (token === '') return rest.length > 0 ? ignored : nothing;
  return rest.length > 0 ? { kind: 'malformed' } : { kind: 'token', token };
}
