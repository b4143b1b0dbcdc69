import type { Authenticator, Credentials } from '../authentication/authenticator.js';
import { credentialsOf } from './credentials.js';
import type { Request } from './middleware.js';

/** Whether who sent these credentials is a front proxy that has proved itself. */
export type FrontProxyCheck = (credentials: Credentials) => boolean;

/** By the authenticators that know front proxies; undefined where none of them does. */
export function frontProxyCheckOf(authenticators: readonly Authenticator[]): FrontProxyCheck | undefined {
  const knowing = authenticators.filter((authenticator) => 'isFrontProxy' in authenticator);
  if (knowing.length === 0) return undefined;
  return (credentials) => knowing.some((authenticator) => authenticator.isFrontProxy?.(credentials) === true);
}

/** A check that fails believes nobody. */
export function isBehindFrontProxy(request: Request, isFrontProxy: FrontProxyCheck): boolean {
  try {
    return isFrontProxy(credentialsOf(request));
  } catch {
    return false;
  }
}
