import { none, refused, type Authentication, type Credentials } from '../authenticator.js';

/** By its identity it says that a token was ignored for the extra space before it: the client is warned of that. */
export const afterExtraSpace: Authentication = Object.freeze({ kind: 'none' });
const malformed = refused('text behind the bearer token');

/**
 * The token of an `Authorization: Bearer <token>` header (RFC 6750, section 2.1; Latin-1, as sent), or the answer to a
 * request without one. Read as kube-apiserver reads it: of several headers the first, the scheme in any case, exactly
 * one space. Text after the token is refused; kube-apiserver ignores it.
 */
export function bearerToken({ headers }: Credentials): string | Authentication {
  const [scheme, token = '', ...rest] = (headers['authorization']?.[0] ?? '').trim().split(' ', 3);
  if (scheme?.toLowerCase() !== 'bearer') return none;
  if (token === '') return rest.length > 0 ? afterExtraSpace : none;
  return rest.length > 0 ? malformed : token;
}
