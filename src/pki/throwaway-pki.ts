import type { Extension, JsonGeneralNames, Name } from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { x509 } from './x509.js';

interface LeafOptions {
  readonly commonName: string;
  /** One RDN each, in this order, before the CN. */
  readonly organizations?: readonly string[];
  readonly usage: 'clientAuth' | 'serverAuth';
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

export interface IssuedCertificate {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
}

export interface Authority extends IssuedCertificate {
  issue(options: LeafOptions): Promise<IssuedCertificate>;
}

const hour = 3_600_000;
const year = 365 * 24 * hour;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/**
 * A self-signed authority for demonstrations: EC P-256 keys that are made on the spot, live in memory, and are on no
 * revocation list.
 */
export async function createAuthority(options: { readonly commonName: string }): Promise<Authority> {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = x509();
  const keys = await createKeys();
  const own = { name: subjectOf(options), key: keys.privateKey };
  const certificate = await certify(own.name, keys, own, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
  ]);
  return { ...certificate, issue: async (leaf) => issueLeaf(leaf, await createKeys(), own) };
}

/** A self-signed certificate, for serving TLS if none is configured. */
export async function createSelfSignedCertificate(options: LeafOptions): Promise<IssuedCertificate> {
  const keys = await createKeys();
  return issueLeaf(options, keys, { name: subjectOf(options), key: keys.privateKey });
}

interface Issuer {
  readonly name: Name;
  readonly key: webcrypto.CryptoKey;
}

function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

function issueLeaf(
  options: LeafOptions,
  keys: webcrypto.CryptoKeyPair,
  issuer: Issuer,
): Promise<IssuedCertificate> {
  const library = x509();
  const { dnsNames = [], ipAddresses = [], usage } = options;
  const names: JsonGeneralNames = [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  return certify(subjectOf(options), keys, issuer, [
    new library.BasicConstraintsExtension(false, undefined, true),
    new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
    new library.ExtendedKeyUsageExtension([library.ExtendedKeyUsage[usage]]),
    ...(names.length === 0 ? [] : [new library.SubjectAlternativeNameExtension(names)]),
  ]);
}

/** Valid since an hour ago, so that a clock that is a little behind does no harm, and for a year. */
async function certify(
  subject: Name,
  keys: webcrypto.CryptoKeyPair,
  issuer: Issuer,
  extensions: Extension[],
): Promise<IssuedCertificate> {
  const { PemConverter, X509CertificateGenerator } = x509();
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.name,
    notBefore: new Date(Date.now() - hour),
    notAfter: new Date(Date.now() + year),
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: algorithm,
    extensions,
  });
  const privateKey = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: `${PemConverter.encode(privateKey, 'PRIVATE KEY')}\n`,
  };
}

function subjectOf({
  organizations = [],
  commonName,
}: Pick<LeafOptions, 'organizations' | 'commonName'>): Name {
  return new (x509().Name)([
    ...organizations.map((organization) => ({ O: [{ utf8String: organization }] })),
    { CN: [{ utf8String: commonName }] },
  ]);
}
