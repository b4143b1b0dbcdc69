import { decodeBase64url } from './base64url.js';
import { readJsonObject, type JsonObject } from './json-object.js';
import { type KeySet, type VerificationKey } from './key-set.js';
import { dateText, numericDate } from './numeric-date.js';
import { isSignatureAlgorithm, isSignedBy, keyFits } from './signature-algorithms.js';
import { maxTokenBytes } from './unverified-claims.js';
import { KeySetError } from '../../authentication-errors.js';

export interface JwtOptions {
  readonly keys: KeySet;
  /** `iss` has to be one of them, to the letter. */
  readonly issuers: ReadonlySet<string>;
  /** As `alg` names them (RFC 7518); what is not asymmetric is never accepted. */
  readonly algorithms: ReadonlySet<string>;
  /** By how much the clocks may differ: `exp` and `nbf` are stretched by it, both ends included. */
  readonly leewaySeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type JwtVerification =
  | { readonly kind: 'verified'; readonly claims: JsonObject }
  /** For the operator's log: of what the token says only `exp` and `nbf`, and these once they are verified. */
  | { readonly kind: 'refused'; readonly reason: string };

interface Header {
  readonly algorithm: string;
  readonly keyId: string | undefined;
}

type Refused = JwtVerification & { readonly kind: 'refused' };

/** Far above any real one, certificates included (characters). */
const maxHeaderLength = 16 * 1024;
/** Members, lists and objects of a header; no signature vouches for it. */
const maxHeaderParts = 64;
/** How many keys a token without a key ID is tried with. */
const maxKeysTried = 64;

/**
 * Verifies a JWT (RFC 7519) in JWS compact serialization: its signature, `iss`, and `exp` and `nbf` where they are
 * there. Whether they have to be, `aud` and all else is the caller's. Of the header only `alg` and `kid` are read:
 * keys come from the key set and from nowhere else. Rejects only with what the key set throws, unless that is a
 * KeySetError.
 */
export async function verifyJwt(token: string, options: JwtOptions): Promise<JwtVerification> {
  if (token.length > maxTokenBytes) return refused(`the token is longer than ${maxTokenBytes} bytes`);
  const [encodedHeader = '', encodedPayload = '', encodedSignature, ...rest] = token.split('.', 4);
  if (encodedSignature === undefined || rest.length > 0) return refused('the token is no JWT');
  const header = readHeader(encodedHeader, options.algorithms);
  if ('reason' in header) return header;
  const payload = decodeBase64url(encodedPayload);
  if (payload === undefined || decodeBase64url(encodedSignature) === undefined)
    return refused('the token is not base64url');
  const keys = await candidateKeys(options.keys, header);
  if ('reason' in keys) return keys;
  if (!(await isSignedByOneOf(keys, header.algorithm, token))) {
    return refused('the signature is not valid');
  }
  const reading = readJsonObject(payload);
  return reading.kind === 'refused'
    ? refused(`the payload ${reading.reason}`)
    : checkClaims(reading.members, options);
}

function readHeader(encoded: string, algorithms: ReadonlySet<string>): Header | Refused {
  if (encoded.length > maxHeaderLength) return refused('the header is too long');
  const bytes = decodeBase64url(encoded);
  if (bytes === undefined) return refused('the token is not base64url');
  const reading = readJsonObject(bytes, maxHeaderParts);
  if (reading.kind === 'refused') return refused(`the header ${reading.reason}`);
  const { alg: algorithm, kid: keyId, crit } = reading.members;
  if (!isSignatureAlgorithm(algorithm) || !algorithms.has(algorithm)) {
    return refused('the algorithm is not accepted');
  }
  if (crit !== undefined) return refused('the header has critical members');
  if (keyId !== undefined && typeof keyId !== 'string') return refused('the key ID is no string');
  return { algorithm, keyId };
}

async function candidateKeys(
  keys: KeySet,
  { keyId, algorithm }: Header,
): Promise<readonly VerificationKey[] | Refused> {
  let found: readonly VerificationKey[];
  try {
    found = await keys.find({ keyId });
  } catch (error) {
    if (error instanceof KeySetError) return refused(error.message);
    throw error;
  }
  if (found.length === 0) return refused(keyId === undefined ? 'no key is known' : 'unknown key ID');
  const fitting = found.filter(
    ({ key, algorithm: only }) => (only === undefined || only === algorithm) && keyFits(key, algorithm),
  );
  if (fitting.length === 0) return refused(`no key with its ID is for ${algorithm}`);
  if (fitting.length > maxKeysTried) return refused(`more than ${maxKeysTried} keys, and no key ID`);
  return fitting;
}

async function isSignedByOneOf(
  keys: readonly VerificationKey[],
  algorithm: string,
  token: string,
): Promise<boolean> {
  for (const { key } of keys) if (await isSignedBy(key, algorithm, token)) return true;
  return false;
}

function checkClaims(claims: JsonObject, { issuers, leewaySeconds, now }: JwtOptions): JwtVerification {
  const { iss, exp, nbf } = claims;
  if (typeof iss !== 'string' || !issuers.has(iss)) return refused('the token is of another issuer');
  const seconds = now() / 1000;
  if (exp !== undefined) {
    const expires = numericDate(exp);
    if (expires === undefined) return refused('exp is no time');
    if (seconds > expires + leewaySeconds) return refused(`expired at ${dateText(expires)}`);
  }
  if (nbf !== undefined) {
    const begins = numericDate(nbf);
    if (begins === undefined) return refused('nbf is no time');
    if (seconds < begins - leewaySeconds) return refused(`not valid before ${dateText(begins)}`);
  }
  return { kind: 'verified', claims };
}

function refused(reason: string): Refused {
  return { kind: 'refused', reason };
}
