import type { Extension } from '@peculiar/x509';
import { createHash, X509Certificate } from 'node:crypto';
import { certificateBlocks } from '../../files/pem.js';
import { x509 as library } from '../../pki/x509.js';
import { CertificateBundleError } from '../authentication-errors.js';

/** An unverified certificate, parsed far enough to check its signature; cheap to make. */
export interface PresentedCertificate {
  readonly x509: X509Certificate;
  /** Lower-case hex of the DER's SHA-256. */
  readonly sha256Hex: string;
  /** As in x509.subject of the authority; undefined if empty. */
  readonly issuer: string | undefined;
}

/** The parts of an X.509 certificate (RFC 5280) that chain verification and identities need. */
export interface Certificate extends PresentedCertificate {
  /** The last CN, as in Go's pkix.Name; empty without one. */
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Milliseconds since the epoch, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** For messages. */
  readonly title: string;
  readonly isAuthority: boolean;
  readonly maySignCertificates: boolean;
  /** pathLenConstraint. */
  readonly pathLength: number | undefined;
  /** OIDs; undefined: any. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  readonly hasNameConstraints: boolean;
  /** The OID of a critical extension that is not supported. */
  readonly unknownCriticalExtension: string | undefined;
  readonly hasStrongSignature: boolean;
}

const extensionIds = {
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Extensions that are enforced here, or do not concern a client certificate's chain. */
const knownExtensions: ReadonlySet<string> = new Set(Object.values(extensionIds));

const anyExtendedKeyUsage = '2.5.29.37.0';
const hashedSignatures: ReadonlySet<string | undefined> = new Set(['ECDSA', 'RSASSA-PKCS1-v1_5', 'RSA-PSS']);
const strongHashes: ReadonlySet<string | undefined> = new Set(['SHA-256', 'SHA-384', 'SHA-512']);

/** Far above any real one. */
const maxBytes = 16_384;

/**
 * The certificates of a PEM bundle (RFC 7468), each once; text and other blocks are ignored.
 * @throws CertificateBundleError if there is no certificate, or one that cannot be read.
 */
export function parseCertificateBundle(pem: string | Uint8Array): readonly Certificate[] {
  // Loaded here, so that a failure to load is not mistaken for an unreadable certificate.
  library();
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const certificates = new Map<string, Certificate>();
  for (const [index, { base64, isComplete }] of certificateBlocks(text).entries()) {
    const place = index + 1;
    if (!isComplete) throw new CertificateBundleError(`certificate ${place} of the PEM bundle has no end`);
    const presented = presentedCertificate(Buffer.from(base64, 'base64'));
    const certificate = presented === undefined ? undefined : readCertificate(presented);
    if (certificate === undefined) {
      throw new CertificateBundleError(`certificate ${place} of the PEM bundle cannot be read`);
    }
    certificates.set(certificate.sha256Hex, certificate);
  }
  if (certificates.size === 0) throw new CertificateBundleError('the PEM bundle holds no certificate');
  return [...certificates.values()];
}

/** Opens a client's DER certificate without parsing its contents; undefined for anything else. */
export function presentedCertificate(der: Uint8Array): PresentedCertificate | undefined {
  if (der.length > maxBytes) return undefined;
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.length);
  try {
    const x509 = new X509Certificate(bytes);
    // Node looks for PEM first: DER that contains PEM would be read as that other certificate.
    if (!x509.raw.equals(bytes)) return undefined;
    return { x509, sha256Hex: createHash('sha256').update(bytes).digest('hex'), issuer: x509.issuer };
  } catch {
    return undefined;
  }
}

/**
 * Parses a certificate completely; undefined if that fails. A certificate made to be slow may take 100 ms: call it only
 * for one that is trusted, or signed by a trusted authority.
 */
export function readCertificate(presented: PresentedCertificate): Certificate | undefined {
  try {
    return read(presented);
  } catch {
    return undefined;
  }
}

function read({ x509, sha256Hex, issuer }: PresentedCertificate): Certificate | undefined {
  // Node 24 ends the process when describing a certificate whose key it cannot read.
  if (!holds(() => x509.publicKey.type === 'public')) return undefined;
  const subject = readSubject(x509);
  if (subject === undefined) return undefined;
  const {
    BasicConstraintsExtension,
    ExtendedKeyUsageExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    X509Certificate: ParsedCertificate,
  } = library();
  const parsed = new ParsedCertificate(x509.raw);
  const notBefore = parsed.notBefore.getTime();
  const notAfter = parsed.notAfter.getTime();
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) return undefined;
  const unknown = parsed.extensions.find(({ critical, type }) => critical && !knownExtensions.has(type));
  const extensions = byId(parsed.extensions);
  if (extensions === undefined) return undefined;
  const constraints = typed(extensions, extensionIds.basicConstraints, BasicConstraintsExtension);
  const keyUsage: number | undefined = typed(extensions, extensionIds.keyUsage, KeyUsagesExtension)?.usages;
  const usages = typed(extensions, extensionIds.extendedKeyUsage, ExtendedKeyUsageExtension)?.usages;
  const usageIds = usages?.map(String);
  return {
    x509,
    sha256Hex,
    issuer,
    ...subject,
    notBefore,
    notAfter,
    title: titleOf(x509),
    isAuthority: constraints?.ca === true,
    maySignCertificates: keyUsage === undefined || (keyUsage & KeyUsageFlags.keyCertSign) !== 0,
    pathLength: constraints?.pathLength,
    extendedKeyUsages: usageIds?.includes(anyExtendedKeyUsage) === true ? undefined : usageIds,
    hasNameConstraints: extensions.has(extensionIds.nameConstraints),
    unknownCriticalExtension: unknown?.type,
    hasStrongSignature: isStrong(parsed.signatureAlgorithm),
  };
}

/** False where OpenSSL cannot tell. */
export function holds(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

/** As OpenSSL reads it: every string type, invalid strings refused, multi-valued RDNs in encoded order. */
function readSubject(x509: X509Certificate): Pick<Certificate, 'commonName' | 'organizations'> | undefined {
  const legacy: { readonly subject?: Readonly<Record<string, unknown>> } = x509.toLegacyObject();
  const { subject } = legacy;
  if (subject === undefined) return undefined;
  return {
    commonName: texts(subject['CN']).at(-1) ?? '',
    organizations: Object.freeze(texts(subject['O'])),
  };
}

function texts(value: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((item) => typeof item === 'string');
}

/** Undefined if one occurs twice (RFC 5280, 4.2), since readers differ in which one counts. */
function byId(extensions: readonly Extension[]): ReadonlyMap<string, Extension> | undefined {
  const map = new Map(extensions.map((extension) => [extension.type, extension]));
  return map.size === extensions.length ? map : undefined;
}

function typed<T extends Extension>(
  extensions: ReadonlyMap<string, Extension>,
  id: string,
  type: new (...parameters: never[]) => T,
): T | undefined {
  const extension = extensions.get(id);
  if (extension === undefined || extension instanceof type) return extension;
  throw new TypeError(`extension ${id} was read as another`);
}

function titleOf(x509: X509Certificate): string {
  // Node's types do not know that an empty name is undefined.
  const named: { readonly subject?: string } = x509;
  return JSON.stringify((named.subject ?? '').replaceAll('\n', ', ').slice(0, 200));
}

function isStrong({ name, hash }: { name?: string; hash?: { name?: string } }): boolean {
  return name === 'Ed25519' || (hashedSignatures.has(name) && strongHashes.has(hash?.name));
}
