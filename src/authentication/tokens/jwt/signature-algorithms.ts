import { compactVerify, errors } from 'jose';
import type { KeyObject } from 'node:crypto';

/** What an algorithm's keys are. */
interface KeyKind {
  /** As KeyObject.asymmetricKeyType. */
  readonly type: 'rsa' | 'ec' | 'ed25519';
  /** OpenSSL's name. */
  readonly curve?: string;
}

/** All that can be verified here, asymmetric ones only (RFC 7518, section 3.1, and RFC 8037). */
const keyKinds: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((name) => [name, { type: 'rsa' }] as const),
  ['ES256', { type: 'ec', curve: 'prime256v1' }],
  ['ES384', { type: 'ec', curve: 'secp384r1' }],
  ['ES512', { type: 'ec', curve: 'secp521r1' }],
  ['EdDSA', { type: 'ed25519' }],
]);

export function isSignatureAlgorithm(algorithm: unknown): algorithm is string {
  return typeof algorithm === 'string' && keyKinds.has(algorithm);
}

/** Whether the key is a public one of the type, and on the curve, that the algorithm is defined for. */
export function keyFits(key: KeyObject, algorithm: string): boolean {
  const kind = keyKinds.get(algorithm);
  return (
    kind !== undefined &&
    key.type === 'public' &&
    key.asymmetricKeyType === kind.type &&
    key.asymmetricKeyDetails?.namedCurve === kind.curve
  );
}

/** Whether the key, which has to fit the algorithm, has signed the token. Not on the event loop. */
export async function isSignedBy(key: KeyObject, algorithm: string, token: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    // It names what it has against a token; anything else is no matter of the token.
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}
