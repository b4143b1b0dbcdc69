import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  type KeyObject,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { ControlPlane } from './control-plane.js';
import type { ServiceAccount } from './service-accounts.js';

/** What the control plane calls itself in tokens, and the audience of its own. */
export const tokenIssuer = 'https://kubernetes.default.svc';

export interface SigningKey {
  /** EC P-256. */
  readonly privateKey: KeyObject;
  /** As Kubernetes names a key: of its public half. */
  readonly keyId: string;
}

export type Claims = Readonly<Record<string, unknown>>;

/** The one with which the control plane signs tokens. */
export function signingKeyOf({ directory }: ControlPlane): SigningKey {
  return signingKey(createPrivateKey(readFileSync(join(directory, 'service-account.key'))));
}

/** One that nobody knows. */
export function newSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

/** A token as TokenRequest issues it, unless the claims say otherwise; one that is undefined is left out. */
export function signToken(
  { privateKey, keyId }: SigningKey,
  { namespace, name, uid }: ServiceAccount,
  claims: Claims = {},
): Promise<string> {
  const now = secondsFromNow(0);
  return new SignJWT({
    iss: tokenIssuer,
    aud: [tokenIssuer],
    sub: `system:serviceaccount:${namespace}:${name}`,
    jti: randomUUID(),
    iat: now,
    nbf: now,
    exp: now + 3_600,
    'kubernetes.io': { namespace, serviceaccount: { name, uid } },
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: keyId })
    .sign(privateKey);
}

/** As a claim has it. */
export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}

function signingKey(privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { privateKey, keyId: createHash('sha256').update(publicKey).digest('base64url') };
}
