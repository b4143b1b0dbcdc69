import type * as Jose from 'jose';
import { KeySetError } from '../../authentication-errors.js';
import { dateText, timeIn, TokenFault, type Claims } from './claims.js';
import { decodeBase64url, maxTokenBytes, readJsonObject } from './jwt-parts.js';
import type { KeySet, VerificationKey } from './key-set.js';

export interface JwtOptions {
  readonly keys: KeySet;
  /** `iss` must be exactly one of these. */
  readonly issuers: ReadonlySet<string>;
  /** Values of `alg` (RFC 7518); only asymmetric ones are ever accepted. */
  readonly algorithms: ReadonlySet<string>;
  /** By how much clocks may differ: extends `exp` and `nbf`, inclusive. */
  readonly leewaySeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Far above any real one, certificates included (characters). */
const maxHeaderLength = 16 * 1024;
/** Members, lists and objects of a header, which is not verified yet. */
const maxHeaderParts = 64;
/** How many keys are tried for a token without a key ID. */
const maxKeysTried = 64;

/** The key types of each supported algorithm, asymmetric ones only (RFC 7518, section 3.1, and RFC 8037). */
const keyKinds = new Map<string, { readonly type: string; readonly curve?: string }>([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((name) => [name, { type: 'rsa' }] as const),
  ['ES256', { type: 'ec', curve: 'prime256v1' }],
  ['ES384', { type: 'ec', curve: 'secp384r1' }],
  ['ES512', { type: 'ec', curve: 'secp521r1' }],
  ['EdDSA', { type: 'ed25519' }],
]);

/** The algorithms of keys that API servers and OpenID providers sign with. */
export const keyAlgorithms: ReadonlySet<string> = new Set(
  ['RS', 'ES', 'PS'].flatMap((family) => ['256', '384', '512'].map((bits) => `${family}${bits}`)),
);

/**
 * The claims of a JWT (RFC 7519) in JWS compact serialization, after verifying its signature, `iss`, and `exp` and `nbf`
 * if present. Whether these are required, `aud` and everything else is up to the caller. Only `alg` and `kid` of the
 * header are read: keys come from the key set alone.
 * @throws TokenFault; its message contains nothing of the token except `exp` and `nbf`, after verification.
 */
export async function verifyJwt(token: string, options: JwtOptions): Promise<Claims> {
  if (token.length > maxTokenBytes) throw new TokenFault(`the token is longer than ${maxTokenBytes} bytes`);
  const [encodedHeader = '', encodedPayload = '', encodedSignature, ...rest] = token.split('.', 4);
  if (encodedSignature === undefined || rest.length > 0) throw new TokenFault('the token is no JWT');
  const { algorithm, keyId } = readHeader(encodedHeader, options.algorithms);
  const payload = decodeBase64url(encodedPayload);
  if (payload === undefined || decodeBase64url(encodedSignature) === undefined) {
    throw new TokenFault('the token is not base64url');
  }
  const keys = await candidateKeys(options.keys, keyId, algorithm);
  if (!(await isSignedByOneOf(keys, algorithm, token))) throw new TokenFault('the signature is not valid');
  const claims = readJsonObject(payload);
  if (typeof claims === 'string') throw new TokenFault(`the payload ${claims}`);
  requireIssuerAndTimes(claims, options);
  return claims;
}

function readHeader(encoded: string, algorithms: ReadonlySet<string>) {
  if (encoded.length > maxHeaderLength) throw new TokenFault('the header is too long');
  const bytes = decodeBase64url(encoded);
  if (bytes === undefined) throw new TokenFault('the token is not base64url');
  const header = readJsonObject(bytes, maxHeaderParts);
  if (typeof header === 'string') throw new TokenFault(`the header ${header}`);
  const { alg: algorithm, kid: keyId, crit } = header;
  if (typeof algorithm !== 'string' || !keyKinds.has(algorithm) || !algorithms.has(algorithm)) {
    throw new TokenFault('the algorithm is not accepted');
  }
  if (crit !== undefined) throw new TokenFault('the header has critical members');
  if (keyId !== undefined && typeof keyId !== 'string') throw new TokenFault('the key ID is no string');
  return { algorithm, keyId };
}

async function candidateKeys(
  keys: KeySet,
  keyId: string | undefined,
  algorithm: string,
): Promise<readonly VerificationKey[]> {
  let found: readonly VerificationKey[];
  try {
    found = await keys.find({ keyId });
  } catch (error) {
    throw error instanceof KeySetError ? new TokenFault(error.message) : error;
  }
  if (found.length === 0) throw new TokenFault(keyId === undefined ? 'no key is known' : 'unknown key ID');
  const kind = keyKinds.get(algorithm);
  const fitting = found.filter(
    ({ key, algorithm: only = algorithm }) =>
      only === algorithm &&
      key.type === 'public' &&
      key.asymmetricKeyType === kind?.type &&
      key.asymmetricKeyDetails?.namedCurve === kind?.curve,
  );
  if (fitting.length === 0) throw new TokenFault(`no key with its ID is for ${algorithm}`);
  if (fitting.length > maxKeysTried) throw new TokenFault(`more than ${maxKeysTried} keys, and no key ID`);
  return fitting;
}

/** Loaded with the first token that is verified. */
let jose: Promise<typeof Jose> | undefined;

/** Off the event loop. The keys must match the algorithm. */
async function isSignedByOneOf(
  keys: readonly VerificationKey[],
  algorithm: string,
  token: string,
): Promise<boolean> {
  jose ??= import('jose');
  const { compactVerify, errors } = await jose;
  for (const { key } of keys) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] });
      return true;
    } catch (error) {
      // jose's errors are about the token; any other is not.
      if (!(error instanceof errors.JOSEError)) throw error;
    }
  }
  return false;
}

function requireIssuerAndTimes(claims: Claims, { issuers, leewaySeconds, now }: JwtOptions): void {
  const { iss } = claims;
  if (typeof iss !== 'string' || !issuers.has(iss)) throw new TokenFault('the token is of another issuer');
  const seconds = now() / 1000;
  const expires = timeIn(claims, 'exp') ?? Infinity;
  if (seconds > expires + leewaySeconds) throw new TokenFault(`expired at ${dateText(expires)}`);
  const begins = timeIn(claims, 'nbf') ?? -Infinity;
  if (seconds < begins - leewaySeconds) throw new TokenFault(`not valid before ${dateText(begins)}`);
}
