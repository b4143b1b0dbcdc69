import { jsonParts } from './json-object.js';

/** Longer than any token of a service account or an OpenID provider that fits into a header. */
export const maxTokenBytes = 64 * 1024;

/** Members, lists and objects, nested ones included: far above what any issuer writes. */
const maxParts = 1024;

/** What a token says of itself before anything of it is verified: good to find who is to verify it. */
export interface UnverifiedClaims {
  readonly issuer: string | undefined;
  /** `exp`, in seconds since the epoch. */
  readonly expires: number | undefined;
}

const nothing: UnverifiedClaims = Object.freeze({ issuer: undefined, expires: undefined });

/** The claims of a token in JWS compact serialization (RFC 7515); nothing of anything else. Never throws. */
export function unverifiedClaims(token: string): UnverifiedClaims {
  if (token.length > maxTokenBytes) return nothing;
  const parts = token.split('.', 4);
  const [, payload] = parts;
  if (parts.length !== 3 || payload === undefined) return nothing;
  try {
    const text = Buffer.from(payload, 'base64url').toString('utf8');
    if (jsonParts(text).parts > maxParts) return nothing;
    const claims: unknown = JSON.parse(text);
    if (typeof claims !== 'object' || claims === null) return nothing;
    const { iss, exp } = claims as { readonly iss?: unknown; readonly exp?: unknown };
    return {
      issuer: typeof iss === 'string' ? iss : undefined,
      expires: typeof exp === 'number' && Number.isFinite(exp) ? exp : undefined,
    };
  } catch {
    return nothing;
  }
}
