import type { Authenticator } from './authenticator.js';

/** The authenticator that is current when a request comes; `name` is that of each of them. */
export function reloadableAuthenticator(
  name: string,
  followed: { readonly current: Authenticator },
): Authenticator {
  return { name, authenticate: (credentials) => followed.current.authenticate(credentials) };
}
