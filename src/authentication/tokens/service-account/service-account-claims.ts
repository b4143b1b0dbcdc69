import { credentialIdKey, type Identity } from '../../identity.js';
import type { JsonObject } from '../jwt/json-object.js';
import { isLogicalCluster, isNamespaceName, isObjectName } from './account-names.js';

/** What the claims of a verified token say of the account, and of what the token is bound to. */
interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** kcp's logical cluster, where the token is kcp's. */
  readonly clusterName?: string | undefined;
  readonly pod?: ObjectReference | undefined;
  readonly node?: NodeReference | undefined;
  readonly tokenId?: string | undefined;
}

interface ObjectReference {
  readonly name: string;
  readonly uid: string;
}

interface NodeReference {
  readonly name: string;
  readonly uid: string | undefined;
}

export type ClaimedIdentity =
  | { readonly kind: 'identity'; readonly identity: Identity }
  /** Names the claim, and quotes nothing of it. */
  | { readonly kind: 'refused'; readonly reason: string };

/** The issuer of tokens that live in a Secret, and of nothing else. */
export const legacyIssuer = 'kubernetes/serviceaccount';
const legacyPrefix = 'kubernetes.io/serviceaccount/';

/** Those of `kubernetes.io` that hold an object. */
const knownObjects: ReadonlySet<string> = new Set(['serviceaccount', 'pod', 'node', 'secret']);

/** A claim that is missing, or not what kube-apiserver writes. */
class ClaimFault extends Error {}

/**
 * Who the verified claims are about, as kube-apiserver has it: of a bound token by `kubernetes.io`, of a legacy one
 * by `kubernetes.io/serviceaccount/…`; with what kcp adds. Whether the account, and what the token is bound to,
 * are still there only the server knows.
 */
export function serviceAccountIdentity(claims: JsonObject): ClaimedIdentity {
  try {
    const account = claims['iss'] === legacyIssuer ? legacyAccount(claims) : boundAccount(claims);
    const { namespace, name } = account;
    if (claims['sub'] !== `system:serviceaccount:${namespace}:${name}`) {
      throw new ClaimFault('sub is not the account that the other claims name');
    }
    return { kind: 'identity', identity: identityOf(account) };
  } catch (error) {
    if (error instanceof ClaimFault) return { kind: 'refused', reason: error.message };
    throw error;
  }
}

function boundAccount(claims: JsonObject): ServiceAccount {
  const kubernetes = object(claims['kubernetes.io'], 'kubernetes.io');
  const account = object(kubernetes['serviceaccount'], 'kubernetes.io.serviceaccount');
  // Nothing is shown of a Secret, but a broken reference to it is no binding.
  reference(kubernetes, 'secret');
  // A binding of a kind that came after these may say that the token is for something else.
  for (const [claim, value] of Object.entries(kubernetes)) {
    if (typeof value === 'object' && value !== null && !knownObjects.has(claim)) {
      throw new ClaimFault('kubernetes.io has a binding of an unknown kind');
    }
  }
  return {
    namespace: namespaceName(kubernetes['namespace'], 'kubernetes.io.namespace'),
    name: objectName(account['name'], 'kubernetes.io.serviceaccount.name'),
    uid: text(account['uid'], 'kubernetes.io.serviceaccount.uid'),
    clusterName: clusterName(kubernetes['clusterName'], 'kubernetes.io.clusterName'),
    pod: reference(kubernetes, 'pod'),
    node: nodeReference(kubernetes),
    tokenId: claims['jti'] === undefined ? undefined : text(claims['jti'], 'jti'),
  };
}

function legacyAccount(claims: JsonObject): ServiceAccount {
  const [namespace, name, uid, secret, cluster] = [
    `${legacyPrefix}namespace`,
    `${legacyPrefix}service-account.name`,
    `${legacyPrefix}service-account.uid`,
    `${legacyPrefix}secret.name`,
    `${legacyPrefix}clusterName`,
  ];
  objectName(claims[secret], secret);
  return {
    namespace: namespaceName(claims[namespace], namespace),
    name: objectName(claims[name], name),
    uid: text(claims[uid], uid),
    clusterName: clusterName(claims[cluster], cluster),
  };
}

function identityOf({ namespace, name, uid, clusterName, pod, node, tokenId }: ServiceAccount): Identity {
  const extra: Record<string, readonly string[]> = {};
  const add = (key: string, value: string): void => {
    extra[key] = Object.freeze([value]);
  };
  if (pod !== undefined) {
    add('authentication.kubernetes.io/pod-name', pod.name);
    add('authentication.kubernetes.io/pod-uid', pod.uid);
  }
  if (node !== undefined) {
    add('authentication.kubernetes.io/node-name', node.name);
    if (node.uid !== undefined) add('authentication.kubernetes.io/node-uid', node.uid);
  }
  if (tokenId !== undefined) add(credentialIdKey, `JTI=${tokenId}`);
  if (clusterName !== undefined) {
    add('authentication.kcp.io/cluster-name', clusterName);
    add('authentication.kcp.io/scopes', `cluster:${clusterName}`);
  }
  return Object.freeze({
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: Object.freeze(['system:serviceaccounts', `system:serviceaccounts:${namespace}`]),
    extra: Object.freeze(extra),
  });
}

function reference(kubernetes: JsonObject, kind: 'pod' | 'node' | 'secret'): ObjectReference | undefined {
  const value = kubernetes[kind];
  if (value === undefined) return undefined;
  const claim = `kubernetes.io.${kind}`;
  const { name, uid } = object(value, claim);
  return { name: objectName(name, `${claim}.name`), uid: text(uid, `${claim}.uid`) };
}

/** A pod's node is known by its name alone while the API server does not find it. */
function nodeReference(kubernetes: JsonObject): NodeReference | undefined {
  const { pod, node } = kubernetes;
  if (node === undefined || pod === undefined) return reference(kubernetes, 'node');
  const { name, uid } = object(node, 'kubernetes.io.node');
  return {
    name: objectName(name, 'kubernetes.io.node.name'),
    uid: uid === undefined ? undefined : text(uid, 'kubernetes.io.node.uid'),
  };
}

function object(value: unknown, claim: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ClaimFault(value === undefined ? `there is no claim ${claim}` : `${claim} is no object`);
  }
  return value as JsonObject;
}

function namespaceName(value: unknown, claim: string): string {
  if (!isNamespaceName(value)) throw new ClaimFault(`${claim} is no namespace's name`);
  return value;
}

function objectName(value: unknown, claim: string): string {
  if (!isObjectName(value)) throw new ClaimFault(`${claim} is no object's name`);
  return value;
}

function clusterName(value: unknown, claim: string): string | undefined {
  if (value === undefined || isLogicalCluster(value)) return value;
  throw new ClaimFault(`${claim} is no logical cluster's name`);
}

function text(value: unknown, claim: string): string {
  if (typeof value !== 'string' || value === '') throw new ClaimFault(`${claim} is no text, or empty`);
  return value;
}
