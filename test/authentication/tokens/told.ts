import type { Identity } from '../../../src/authentication/identity.js';
import { TokenFault } from '../../../src/authentication/tokens/jwt/claims.js';

export interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
}

/** The reason of a refused token; throws whatever else was thrown. */
export function refusedFor(error: unknown): Refused {
  if (error instanceof TokenFault) return { kind: 'refused', reason: error.message };
  throw error;
}

/** What claims say, or why they are refused. */
export function claimed(
  read: () => Identity,
): { readonly kind: 'identity'; readonly identity: Identity } | Refused {
  try {
    return { kind: 'identity', identity: read() };
  } catch (error) {
    return refusedFor(error);
  }
}
