import { constants, generateKeyPairSync, sign, type KeyObject, type SigningOptions } from 'node:crypto';
import type { VerificationKey } from '../../../../src/authentication/tokens/jwt/key-set.js';
import { parsePublicKeys } from '../../../../src/authentication/tokens/jwt/verification-keys.js';

/** A key pair made on the spot, and what a verifier knows of it. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicPem: string;
  readonly verificationKey: VerificationKey;
  readonly keyId: string;
}

export function rsaKey(modulusLength = 2048): SigningKey {
  return signingKey(generateKeyPairSync('rsa', { modulusLength }));
}

export function ecKey(namedCurve = 'P-256'): SigningKey {
  return signingKey(generateKeyPairSync('ec', { namedCurve }));
}

function signingKey({ privateKey, publicKey }: Record<'privateKey' | 'publicKey', KeyObject>): SigningKey {
  const publicPem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const [verificationKey] = parsePublicKeys(publicPem, 'made.pem');
  if (verificationKey?.keyId === undefined) throw new TypeError('a key without an ID');
  return { privateKey, publicPem, verificationKey, keyId: verificationKey.keyId };
}

/** What is signed: an object, or a text that need not be JSON. */
export type Json = Readonly<Record<string, unknown>> | string;

export function encoded(json: Json): string {
  return Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64url');
}

/** A JWS in compact serialization, signed as `algorithm` demands whatever the header says. */
export function signedJwt(header: Json, payload: Json, privateKey: KeyObject, algorithm = 'RS256'): string {
  const signed = `${encoded(header)}.${encoded(payload)}`;
  const signature = sign(`sha${algorithm.slice(2)}`, Buffer.from(signed), {
    key: privateKey,
    ...optionsOf(algorithm),
  });
  return `${signed}.${signature.toString('base64url')}`;
}

function optionsOf(algorithm: string): SigningOptions {
  if (algorithm.startsWith('ES')) return { dsaEncoding: 'ieee-p1363' };
  if (algorithm.startsWith('RS')) return { padding: constants.RSA_PKCS1_PADDING };
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** The same token with another signature. */
export function resigned(token: string, signature: Uint8Array | string): string {
  const text = typeof signature === 'string' ? signature : Buffer.from(signature).toString('base64url');
  return `${token.slice(0, token.lastIndexOf('.'))}.${text}`;
}
