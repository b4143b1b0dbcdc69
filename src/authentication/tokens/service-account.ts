import { requireNames, type Authenticator } from '../authenticator.js';
import { clusterPath } from '../../paths/classify.js';
import { credentialIdKey, frozenIdentity, type Identity } from '../identity.js';
import {
  dateText,
  requireAudience,
  timeIn,
  TokenFault,
  type ClaimedIdentity,
  type Claims,
} from './jwt/claims.js';
import { jwtAuthenticator } from './jwt/jwt-authenticator.js';
import type { KeySet } from './jwt/key-set.js';
import { keyAlgorithms } from './jwt/verify-jwt.js';
import { aFunction, checkOptions, having, optional, texts } from '../../option-checks.js';

export interface ServiceAccountOptions {
  /** The keys that the API server signs with. */
  readonly keys: KeySet;
  /**
   * Accepted as `iss`. `kubernetes/serviceaccount` also accepts tokens from Secrets: these never expire, and only the
   * API server knows whether their Secret still exists.
   */
  readonly issuers: readonly string[];
  /** A token must be for one of these. */
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
  /** How many verified tokens are remembered; default 4,096. */
  readonly maxCached?: number;
}

/** Kubernetes' own. */
const leewaySeconds = 60;
/** The issuer of tokens in Secrets, and of no others. */
const legacyIssuer = 'kubernetes/serviceaccount';

/**
 * Tokens of Kubernetes' and kcp's service accounts, verified without asking the API server: a token stays valid until it
 * expires, even if its account or pod is deleted. Stricter than kube-apiserver: a token needs `exp`, `aud`, and a `sub`
 * that matches its other claims.
 * @throws RangeError without an issuer or an audience, or if the cache would hold nothing.
 */
export function serviceAccountAuthenticator(options: ServiceAccountOptions): Authenticator {
  checkOptions(options, {
    keys: having('a KeySet, for example staticKeySet(keys)', 'find'),
    issuers: texts,
    audiences: texts,
    now: optional(aFunction),
  });
  const { keys, issuers, audiences, now = Date.now, maxCached = 4096 } = options;
  requireNames('issuers', issuers);
  requireNames('audiences', audiences);
  if (!Number.isSafeInteger(maxCached) || maxCached < 1) throw new RangeError('maxCached must be at least 1');
  const accepted: ReadonlySet<string> = new Set(audiences);
  return jwtAuthenticator({
    name: 'service-account',
    keys,
    issuers: new Set(issuers),
    algorithms: keyAlgorithms,
    leewaySeconds,
    now,
    maxCached,
    identityOf: (claims) => claimedIdentity(claims, accepted, now() / 1000),
  });
}

function claimedIdentity(claims: Claims, accepted: ReadonlySet<string>, seconds: number): ClaimedIdentity {
  const isLegacy = claims['iss'] === legacyIssuer;
  const expires = timeIn(claims, 'exp');
  if (expires === undefined && !isLegacy) throw new TokenFault('there is no exp');
  const issued = timeIn(claims, 'iat') ?? -Infinity;
  if (seconds < issued - leewaySeconds) throw new TokenFault(`issued in the future, at ${dateText(issued)}`);
  if (claims['aud'] !== undefined || !isLegacy) requireAudience(claims, accepted);
  return {
    identity: serviceAccountIdentity(claims),
    validUntil: expires === undefined ? Infinity : (expires + leewaySeconds) * 1000 + 1,
  };
}

const legacyPrefix = 'kubernetes.io/serviceaccount/';

/** The members of `kubernetes.io` that hold an object. */
const knownObjects: ReadonlySet<string> = new Set(['serviceaccount', 'pod', 'node', 'secret']);

/**
 * The service account in verified claims, as in kube-apiserver: from `kubernetes.io` for a bound token, from
 * `kubernetes.io/serviceaccount/…` for a legacy one, with kcp's additions. Only the server knows whether the account and
 * the bound object still exist.
 * @throws TokenFault for a claim that is missing or not as kube-apiserver writes it; it names the claim without quoting
 * it.
 */
export function serviceAccountIdentity(claims: Claims): Identity {
  const account = claims['iss'] === legacyIssuer ? legacyAccount(claims) : boundAccount(claims);
  const { namespace, name, uid, clusterName } = account;
  const fullName = `system:serviceaccount:${namespace}:${name}`;
  if (claims['sub'] !== fullName) throw new TokenFault('sub is not the account that the other claims name');
  const extra: Readonly<Record<string, string | undefined>> = {
    ...account.extra,
    'authentication.kcp.io/cluster-name': clusterName,
    'authentication.kcp.io/scopes': clusterName && `cluster:${clusterName}`,
  };
  return frozenIdentity(
    fullName,
    ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    uid,
    Object.entries(extra).flatMap(([key, value]) => (value === undefined ? [] : [[key, [value]] as const])),
  );
}

/** What the claims of a verified token say of an account, and of the object that it is bound to. */
function boundAccount(claims: Claims) {
  const kubernetes = object(claims['kubernetes.io'], 'kubernetes.io');
  const account = object(kubernetes['serviceaccount'], 'kubernetes.io.serviceaccount');
  // A Secret adds nothing to the identity, but a broken reference is not a binding.
  reference(kubernetes, 'secret');
  // A kind added later may mean that the token is for something else.
  for (const [claim, value] of Object.entries(kubernetes)) {
    if (typeof value === 'object' && value !== null && !knownObjects.has(claim)) {
      throw new TokenFault('kubernetes.io has a binding of an unknown kind');
    }
  }
  const namespace = namespaceName(kubernetes['namespace'], 'kubernetes.io.namespace');
  const name = objectName(account['name'], 'kubernetes.io.serviceaccount.name');
  const uid = text(account['uid'], 'kubernetes.io.serviceaccount.uid');
  const clusterName = logicalCluster(kubernetes['clusterName'], 'kubernetes.io.clusterName');
  const pod = reference(kubernetes, 'pod');
  const node = reference(kubernetes, 'node');
  const extra = {
    'authentication.kubernetes.io/pod-name': pod?.name,
    'authentication.kubernetes.io/pod-uid': pod?.uid,
    'authentication.kubernetes.io/node-name': node?.name,
    'authentication.kubernetes.io/node-uid': node?.uid,
    [credentialIdKey]: claims['jti'] === undefined ? undefined : `JTI=${text(claims['jti'], 'jti')}`,
  };
  return { namespace, name, uid, clusterName, extra };
}

function legacyAccount(claims: Claims) {
  const read = <Value>(name: string, as: (value: unknown, claim: string) => Value): Value =>
    as(claims[`${legacyPrefix}${name}`], `${legacyPrefix}${name}`);
  read('secret.name', objectName);
  return {
    namespace: read('namespace', namespaceName),
    name: read('service-account.name', objectName),
    uid: read('service-account.uid', text),
    clusterName: read('clusterName', logicalCluster),
    extra: {},
  };
}

function reference(kubernetes: Claims, kind: 'pod' | 'node' | 'secret') {
  if (kubernetes[kind] === undefined) return undefined;
  const claim = `kubernetes.io.${kind}`;
  const { name, uid } = object(kubernetes[kind], claim);
  // The API server did not find the node.
  const mayLackUid = kind === 'node' && kubernetes['pod'] !== undefined;
  return {
    name: objectName(name, `${claim}.name`),
    uid: uid === undefined && mayLackUid ? undefined : text(uid, `${claim}.uid`),
  };
}

function object(value: unknown, claim: string): Claims {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TokenFault(value === undefined ? `there is no claim ${claim}` : `${claim} is no object`);
  }
  return value as Claims;
}

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const labelPattern = new RegExp(`^${label}$`);
const subdomainPattern = new RegExp(`^${label}(?:\\.${label})*$`);

function matching(value: unknown, pattern: RegExp, maxLength: number, fault: string): string {
  if (typeof value === 'string' && value.length <= maxLength && pattern.test(value)) return value;
  throw new TokenFault(fault);
}

/** A label of RFC 1123: the name of a namespace. */
function namespaceName(value: unknown, claim: string): string {
  return matching(value, labelPattern, 63, `${claim} is no namespace's name`);
}

/** A subdomain of RFC 1123: the name of a service account, pod or node. */
function objectName(value: unknown, claim: string): string {
  return matching(value, subdomainPattern, 253, `${claim} is no object's name`);
}

/** kcp's: labels joined by colons. Without commas, since the name goes into a list of scopes. */
function logicalCluster(value: unknown, claim: string): string | undefined {
  if (value === undefined) return undefined;
  return matching(value, clusterPath, 253, `${claim} is no logical cluster's name`);
}

function text(value: unknown, claim: string): string {
  if (typeof value !== 'string' || value === '') throw new TokenFault(`${claim} is no text, or empty`);
  return value;
}
