import type { Extension, JsonGeneralNames, Name, X509Certificate } from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { x509 } from '../../src/pki/x509.js';

export type { IssuedCertificate };

export interface Subject {
  /** Default: a subject without a CN. */
  readonly commonName?: string;
  /** One RDN each, in this order, before the CN. */
  readonly organizations?: readonly string[];
}

interface CertificateOptions extends Subject {
  /** Default: an hour ago, so that a clock that is a little behind does no harm. */
  readonly notBefore?: Date;
  /** Default: a year from now. */
  readonly notAfter?: Date;
  /** In addition to those that the other options make. */
  readonly extensions?: readonly Extension[];
  /** Instead of commonName and organizations, for multi-valued RDNs and other string types. */
  readonly subject?: Name;
}

export interface LeafOptions extends CertificateOptions {
  /** The extended key usages; default: the extension is missing. */
  readonly usage?: LeafUsage | readonly LeafUsage[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

type LeafUsage = 'clientAuth' | 'serverAuth';

export interface AuthorityOptions extends CertificateOptions {
  /** pathLenConstraint: how many authorities may stand between this one and a leaf. Default: any number. */
  readonly pathLength?: number;
  /** Extended key usages it is confined to; default: any. */
  readonly usage?: LeafUsage | readonly LeafUsage[];
  /** What basicConstraints says; default true. */
  readonly isAuthority?: boolean;
  /** Whether keyUsage has keyCertSign; default true. */
  readonly maySignCertificates?: boolean;
}

export interface Authority extends IssuedCertificate {
  issue(options: LeafOptions): Promise<IssuedCertificate>;
  /** An intermediate authority. */
  issueAuthority(options: AuthorityOptions): Promise<Authority>;
}

const hour = 3_600_000;
const year = 365 * 24 * hour;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A self-signed authority that issues whatever a test needs: also what has lapsed, may not sign, or says odd things. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const keys = await createKeys();
  const certificate = await create(options, authorityExtensions(options), keys.publicKey, {
    name: subjectOf(options),
    key: keys.privateKey,
  });
  return authority(certificate, keys);
}

export async function createSelfSignedCertificate(options: LeafOptions): Promise<IssuedCertificate> {
  const keys = await createKeys();
  const issuer = { name: subjectOf(options), key: keys.privateKey };
  return issued(await create(options, leafExtensions(options), keys.publicKey, issuer), keys);
}

interface Issuer {
  readonly name: Name;
  readonly key: webcrypto.CryptoKey;
}

async function authority(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<Authority> {
  const issuer: Issuer = { name: certificate.subjectName, key: keys.privateKey };
  return {
    ...(await issued(certificate, keys)),
    async issue(options) {
      const leafKeys = await createKeys();
      return issued(await create(options, leafExtensions(options), leafKeys.publicKey, issuer), leafKeys);
    },
    async issueAuthority(options) {
      const ownKeys = await createKeys();
      return authority(
        await create(options, authorityExtensions(options), ownKeys.publicKey, issuer),
        ownKeys,
      );
    },
  };
}

function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

function create(
  options: CertificateOptions,
  extensions: readonly Extension[],
  publicKey: webcrypto.CryptoKey,
  issuer: Issuer,
): Promise<X509Certificate> {
  return x509().X509CertificateGenerator.create({
    subject: subjectOf(options),
    issuer: issuer.name,
    notBefore: options.notBefore ?? new Date(Date.now() - hour),
    notAfter: options.notAfter ?? new Date(Date.now() + year),
    publicKey,
    signingKey: issuer.key,
    signingAlgorithm: algorithm,
    extensions: [...extensions, ...(options.extensions ?? [])],
  });
}

async function issued(
  certificate: X509Certificate,
  keys: webcrypto.CryptoKeyPair,
): Promise<IssuedCertificate> {
  const privateKey = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: `${x509().PemConverter.encode(privateKey, 'PRIVATE KEY')}\n`,
  };
}

function subjectOf({ subject, commonName, organizations = [] }: CertificateOptions): Name {
  const { Name } = x509();
  return (
    subject ??
    new Name([
      ...organizations.map((organization) => ({ O: [{ utf8String: organization }] })),
      ...(commonName === undefined ? [] : [{ CN: [{ utf8String: commonName }] }]),
    ])
  );
}

function authorityExtensions(options: AuthorityOptions): readonly Extension[] {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = x509();
  const { isAuthority = true, maySignCertificates = true, pathLength, usage } = options;
  const { keyCertSign, cRLSign } = KeyUsageFlags;
  return [
    new BasicConstraintsExtension(isAuthority, pathLength, true),
    new KeyUsagesExtension(maySignCertificates ? keyCertSign : cRLSign, true),
    ...usageExtension(usage),
  ];
}

function leafExtensions({ usage, dnsNames = [], ipAddresses = [] }: LeafOptions): readonly Extension[] {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, SubjectAlternativeNameExtension } =
    x509();
  const names: JsonGeneralNames = [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    ...usageExtension(usage),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
  ];
}

function usageExtension(usage: LeafOptions['usage']): readonly Extension[] {
  if (usage === undefined) return [];
  const { ExtendedKeyUsage, ExtendedKeyUsageExtension } = x509();
  const usages = typeof usage === 'string' ? [usage] : usage;
  return [new ExtendedKeyUsageExtension(usages.map((name) => ExtendedKeyUsage[name]))];
}
