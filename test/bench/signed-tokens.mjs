import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export const issuer = 'https://kubernetes.default.svc';

/** A key pair, with the ID that kube-apiserver would give it. @param {'RS256' | 'ES256'} algorithm */
export function signingKey(algorithm) {
  const { privateKey, publicKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('base64url');
  const publicPem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return { algorithm, privateKey, publicPem, keyId };
}

/** A bound token, as long as a pod's; `number` makes it another than all others. */
export function signedToken({ algorithm, privateKey, keyId }, number, claims) {
  const signed = unsigned(algorithm, keyId, number, claims);
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The same with a signature that is none. */
export function forgedToken({ algorithm, keyId }, number, claims) {
  const bytes = algorithm === 'RS256' ? 256 : 64;
  return `${unsigned(algorithm, keyId, number, claims)}.${randomBytes(bytes).toString('base64url')}`;
}

function unsigned(algorithm, keyId, number, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  return [
    { alg: algorithm, kid: keyId },
    { ...claimsOf(now, number), ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
}

function claimsOf(now, number) {
  return {
    aud: [issuer],
    exp: now + 3600,
    iat: now - 5,
    iss: issuer,
    jti: `7a1f0f6e-3d1b-4c8a-9a77-${String(number).padStart(12, '0')}`,
    'kubernetes.io': {
      namespace: 'monitoring',
      node: { name: 'node-1', uid: '2ddac32a-5c1b-4c6c-8b8f-4c4b0d6f7a10' },
      pod: { name: 'prometheus-0', uid: 'f0a3c8cc-4d5f-4a2c-9d8d-0a8b7c6d5e4f' },
      serviceaccount: { name: 'prometheus', uid: '6b1a6cb5-1d7e-4a0e-8f3e-2d1c0b9a8f7e' },
    },
    nbf: now - 5,
    sub: 'system:serviceaccount:monitoring:prometheus',
  };
}
